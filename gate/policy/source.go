package policy

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// MaxFile is the largest policy file, in bytes, and MaxPolicy the most that all files of a policy have together: some fifty thousand rules, which take half a
// gigabyte while they load.
const (
	MaxFile   = 1 << 20
	MaxPolicy = 4 << 20
)

// errTooLong says that there is more than a policy may have.
var errTooLong = fmt.Errorf("the policy is too long: its files have at most %d bytes together", MaxPolicy)

// File is the text of one policy file, under the name that messages give it.
type File struct {
	Name string
	Text []byte
}

// Source is a place that policy files come from.
type Source interface {
	Files() ([]File, error)
}

// Text is a policy file in memory.
type Text File

// Files returns the one file.
func (t Text) Files() ([]File, error) { return []File{File(t)}, nil }

// FS is every *.hcl file at the root of a file system such as an embedded one, under Prefix/NAME.
type FS struct {
	FS     fs.FS
	Prefix string
}

// Files reads them.
func (f FS) Files() ([]File, error) {
	entries, err := fs.ReadDir(f.FS, ".")
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", f.Prefix, err)
	}
	var files []File
	for _, e := range entries {
		if !isPolicy(e.Name()) {
			continue
		}
		name := path.Join(f.Prefix, e.Name())
		if !e.Type().IsRegular() {
			return nil, fmt.Errorf("cannot read %s: not a regular file", name)
		}
		opened, err := f.FS.Open(e.Name())
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", name, err)
		}
		text, err := readText(name, opened)
		opened.Close()
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: name, Text: text})
	}
	return files, nil
}

// Disk is a policy file, or every *.hcl file of a directory. A process of root reads only what root owns and nobody else can
// write: a policy that anybody can edit is none.
type Disk struct {
	Path     string
	AnyOwner bool // read, as root, what others can write: for checking files that are not installed, and for tests
}

// Files reads them. A path that does not exist is an error.
func (d Disk) Files() ([]File, error) {
	top, err := d.open(unix.AT_FDCWD, d.Path, d.Path)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	info, err := top.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", d.Path, err)
	}
	if !info.IsDir() {
		text, err := readText(d.Path, top)
		return []File{{Name: d.Path, Text: text}}, err
	}
	names, err := top.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", d.Path, err)
	}
	slices.Sort(names)
	var files []File
	length := 0
	for _, name := range names {
		if !isPolicy(name) {
			continue
		}
		text, err := d.read(top, name)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: filepath.Join(d.Path, name), Text: text})
		if length += len(text); length > MaxPolicy {
			return nil, fmt.Errorf("cannot read all of %s: %w", d.Path, errTooLong)
		}
	}
	return files, nil
}

func (d Disk) read(dir *os.File, name string) ([]byte, error) {
	shown := filepath.Join(d.Path, name)
	f, err := d.open(int(dir.Fd()), name, shown)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readText(shown, f)
}

// open opens a file or directory and judges the very object that it has opened. It follows no link and waits for no fifo.
func (d Disk) open(dir int, name, shown string) (*os.File, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == unix.ELOOP {
		return nil, fmt.Errorf("cannot read %s: it is a symbolic link", shown)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", shown, err)
	}
	f := os.NewFile(uintptr(fd), shown)
	var stat unix.Stat_t
	if err = unix.Fstat(fd, &stat); err == nil {
		err = d.trusted(&stat)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot read %s: %w", shown, err)
	}
	return f, nil
}

func (d Disk) trusted(stat *unix.Stat_t) error {
	if d.AnyOwner || os.Geteuid() != 0 {
		return nil
	}
	if stat.Uid != 0 {
		return fmt.Errorf("uid %d owns it, and a policy is root's (chown root)", stat.Uid)
	}
	if stat.Mode&0o022 != 0 {
		return fmt.Errorf("others than root can write it (chmod go-w)")
	}
	return nil
}

func readText(name string, f fs.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("cannot read %s: not a regular file", name)
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("cannot read %s: it is longer than %d bytes", name, MaxFile)
	}
	return text, nil
}

// isPolicy leaves out what editors and package managers put beside a file.
func isPolicy(name string) bool {
	return strings.HasSuffix(name, ".hcl") && !strings.HasPrefix(name, ".")
}
