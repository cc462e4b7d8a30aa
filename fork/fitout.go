package fork

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"forkgate/nsjail/idmap"

	"golang.org/x/sys/unix"
)

// What every pod mounts something over, or reads.
var (
	mountPoints = []string{
		"proc", "sys", "dev", "tmp", "run", "srv", "home", "mnt", "root", "etc", "etc/docker",
		"var", "var/tmp", "var/lib", "var/lib/docker",
	}
	mountFiles = []string{"etc/hosts", "etc/hostname", "etc/resolv.conf"}
	accounts   = []struct{ file, id, line string }{
		{"etc/passwd", "7111", "rediacc:x:7111:7111::/home/rediacc:/bin/bash"},
		{"etc/group", "7111", "rediacc:x:7111:"},
		{"etc/group", "988", "docker:x:988:rediacc"},
	}
)

// fitOut prepares a rootfs that somebody else made. No name in it is followed through a symlink.
func fitOut(root string, foreign *os.File) error {
	dir, err := os.Open(root)
	if err != nil {
		return err
	}
	defer dir.Close()
	// Through the id map, what is made here belongs to the rootfs's root.
	top, err := idmap.Clone(dir, foreign)
	if err != nil {
		return err
	}
	defer top.Close()
	for _, name := range mountPoints {
		if err := ensureDir(top, name); err != nil {
			return err
		}
	}
	for _, name := range mountFiles {
		if err := ensureFile(top, name); err != nil {
			return err
		}
	}
	for _, a := range accounts {
		if err := ensureAccount(top, a.file, a.id, a.line); err != nil {
			return err
		}
	}
	return nil
}

func openDir(top *os.File, name string) (*os.File, error) {
	return idmap.OpenBeneath(top, name, unix.O_RDONLY|unix.O_DIRECTORY)
}

func ensureDir(top *os.File, name string) error {
	parent, err := openDir(top, path.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	err = unix.Mkdirat(int(parent.Fd()), path.Base(name), 0o755)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("cannot make /%s: %w", name, err)
	}
	dir, err := openDir(top, name)
	if err != nil {
		return fmt.Errorf("%w: /%s of the rootfs is no directory", ErrSource, name)
	}
	return dir.Close()
}

// ensureFile leaves an empty regular file where there was none, or a symlink: nothing can be mounted over that.
func ensureFile(top *os.File, name string) error {
	old, err := openRegular(top, name)
	if err == nil {
		return old.Close()
	}
	return replaceFile(top, name, nil)
}

func openRegular(top *os.File, name string) (*os.File, error) {
	f, err := idmap.OpenBeneath(top, name, unix.O_RDONLY|unix.O_NONBLOCK) // a pipe must not hold us up
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%w: /%s of the rootfs is no regular file", ErrSource, name)
	}
	return f, nil
}

// ensureAccount makes line the only one in a file like passwd(5) or group(5) with its name or its id.
func ensureAccount(top *os.File, name, id, line string) error {
	old, err := readSmall(top, name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	account, _, _ := strings.Cut(line, ":")
	var kept []string
	for _, l := range strings.Split(strings.TrimRight(string(old), "\n"), "\n") {
		fields := strings.Split(l, ":")
		if l == "" || fields[0] == account || len(fields) > 2 && fields[2] == id {
			continue
		}
		kept = append(kept, l)
	}
	return replaceFile(top, name, []byte(strings.Join(append(kept, line), "\n")+"\n"))
}

func readSmall(top *os.File, name string) ([]byte, error) {
	f, err := openRegular(top, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 1 << 20
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(content) > most {
		err = fmt.Errorf("%w: /%s of the rootfs is larger than %d bytes", ErrSource, name, most)
	}
	return content, err
}

// replaceFile puts a file of its own in place of whatever has the name.
func replaceFile(top *os.File, name string, content []byte) error {
	parent, err := openDir(top, path.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	const temporary = ".forkgate-new"
	_ = unix.Unlinkat(int(parent.Fd()), temporary, 0)
	fd, err := unix.Openat(int(parent.Fd()), temporary, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return fmt.Errorf("cannot make /%s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = unix.Renameat(int(parent.Fd()), temporary, int(parent.Fd()), path.Base(name))
	}
	if err != nil {
		return fmt.Errorf("cannot replace /%s: %w", name, err)
	}
	return nil
}
