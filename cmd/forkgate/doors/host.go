package doors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Host is what is looked at.
type Host struct {
	Files   fs.FS // the root directory
	Run     Runner
	Program string // forkgate, as PAM and systemd start it
	// Attribute is an extended attribute of a file (xattr(7)); nothing where it has none.
	Attribute func(name, attribute string) ([]byte, error)
	// Vsock is what listens on vsock(7), of which no file tells.
	Vsock func() ([]vsocket, error)

	once sync.Once
	disk disk
}

// Runner runs a program and returns its standard output. An error has the last of its standard error.
type Runner func(ctx context.Context, argv ...string) (string, error)

// Here is the host that this process runs on.
func Here() *Host {
	program, err := os.Executable()
	if err != nil {
		program = "/usr/bin/forkgate"
	}
	return &Host{Files: os.DirFS("/"), Run: run, Program: program, Attribute: attributesBelow("/"), Vsock: vsockets}
}

func attributesBelow(root string) func(name, attribute string) ([]byte, error) {
	return func(name, attribute string) ([]byte, error) {
		var text [1024]byte // none that is asked for has more, and what has is an error
		n, err := unix.Getxattr(filepath.Join(root, name), attribute, text[:])
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP) {
			return nil, nil
		}
		return text[:max(n, 0)], err
	}
}

// patience is how long a program may take. None of those that are run here waits for anything.
// A script that was cut off would leave things half done: systemd bounds what those wait for.
const patience, thorough, briefly = 20 * time.Second, 10 * time.Minute, 5 * time.Second

// reading is how long it may take to read a file.
const reading = 2 * time.Second

func run(ctx context.Context, argv ...string) (string, error) {
	limit := patience
	if argv[0] == "sh" {
		limit = thorough
	}
	if argv[0] == "systemctl" && argv[1] == "stop" { // what does not end by then has no part in a closing: the time runs
		limit = briefly
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = append(os.Environ(), "LC_ALL=C")
	// ^C, and a terminal that goes away, are for this program: it ends what it runs, but not what takes something back.
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} { // root's programs are not on everybody's PATH
		if found, err := exec.LookPath(dir + argv[0]); c.Err != nil && err == nil {
			c.Path, c.Err = found, nil
		}
	}
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		err = fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, lines[len(lines)-1])
	}
	return string(out), err
}

// most is how much of a file is read. Some of them are users' own, who may have put anything there.
const most = 16 << 20

// read returns a file's text, and false where there is none. A user's file may be a link to one that nobody ever gets to the end of, or lie where he decides when
// it is read.
func (h *Host) read(name string) (string, bool, error) {
	type answer struct {
		text  string
		there bool
		err   error
	}
	read := make(chan answer, 1)
	go func() { // ends with this process at the latest, which lives for one command
		text, there, err := h.readNow(name)
		read <- answer{text, there, err}
	}()
	select {
	case a := <-read:
		return a.text, a.there, a.err
	case <-time.After(reading):
		return "", false, fmt.Errorf("/%s cannot be read within %v", name, reading)
	}
}

func (h *Host) readNow(name string) (string, bool, error) {
	info, err := fs.Stat(h.Files, name)
	if os.IsNotExist(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	if nothing(info) {
		return "", true, nil
	}
	if !info.Mode().IsRegular() {
		return "", false, fmt.Errorf("/%s is no file", name)
	}
	f, err := h.Files.Open(name)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if len(text) > most {
		err = fmt.Errorf("/%s is too long", name)
	}
	return string(text), err == nil, err
}

// nothing reports whether a name leads to /dev/null. That is how a unit of systemd's is masked (systemd.unit(5)), and how a file of a package's is put out of use by
// one of the same name: it is as an empty one, and no fault.
func nothing(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode()&fs.ModeCharDevice != 0 && uint64(s.Rdev) == unix.Mkdev(1, 3)
}

func (h *Host) exists(names ...string) string {
	for _, name := range names {
		if _, err := fs.Stat(h.Files, name); err == nil {
			return "/" + name
		}
	}
	return ""
}

// list names what is in a directory; one that is not there is empty.
func (h *Host) list(dir string) (names []string, err error) {
	entries, err := fs.ReadDir(h.Files, dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	for _, e := range entries {
		names = append(names, path.Join(dir, e.Name()))
	}
	return names, err
}

// owner is whose a file is; -1 where that cannot be seen.
func owner(info fs.FileInfo) (uid, gid int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return -1, -1
}

// lines are those of a text that say something, with where they stand. A backslash at the end goes on with the next.
func lines(text string) (all []string) {
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// few is how many of many are named.
const few = 6

// some names a few of many.
func some(names []string) string {
	if len(names) > few {
		return fmt.Sprintf("%s and %d others", strings.Join(names[:few], ", "), len(names)-few)
	}
	return strings.Join(names, ", ")
}
