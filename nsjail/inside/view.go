package inside

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/mount"
	"forkgate/nsjail/wire"
)

// view is what a session sees that others do not, as mounts that are attached nowhere yet.
type view struct {
	homes, home, tmp, varTmp, run, shm, pts *os.File
	open                                    []*os.File
}

// newView makes the caller's home where there is none, and the mounts of a session.
func newView(root *os.File, home string) (_ *view, err error) {
	if err := makeHome(home); err != nil {
		return nil, err
	}
	v := &view{}
	keep := func(into **os.File, mnt *os.File, made error) {
		if err = errors.Join(err, made); made == nil {
			*into, v.open = mnt, append(v.open, mnt)
		}
	}
	clone := func(into **os.File, name string) {
		mnt, made := mount.Clone(root, name, mount.NoSUID|mount.NoDev)
		keep(into, mnt, made)
	}
	tmpfs := func(into **os.File, mode string) {
		mnt, made := mount.New("tmpfs", mount.NoSUID|mount.NoDev, mount.Option{Key: "mode", Value: mode},
			mount.Option{Key: "size", Value: "50%"}, mount.Option{Key: "nr_inodes", Value: "1m"})
		keep(into, mnt, made)
	}
	clone(&v.home, path.Join("home", home))
	clone(&v.tmp, path.Join("tmp", home))
	clone(&v.varTmp, path.Join("tmp", home))
	tmpfs(&v.homes, "755")
	tmpfs(&v.run, "755")
	tmpfs(&v.shm, "1777")
	pts, made := mount.New("devpts", mount.NoSUID|mount.NoExec, mount.Option{Key: "newinstance"},
		mount.Option{Key: "ptmxmode", Value: "0666"}, mount.Option{Key: "mode", Value: "0620"},
		mount.Option{Key: "uid", Value: fmt.Sprint(nsjail.UID)}, mount.Option{Key: "gid", Value: "5"})
	keep(&v.pts, pts, made)
	if err == nil {
		err = onlyOneHome(v.homes, home)
	}
	if err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *view) close() { wire.CloseAll(v.open) }

// onlyOneHome leaves place for one home in the directory of homes, and nothing else.
func onlyOneHome(homes *os.File, name string) error {
	if err := unix.Mkdirat(int(homes.Fd()), name, 0o700); err != nil {
		return fmt.Errorf("cannot make a place for the home: %w", err)
	}
	return mount.SetReadOnly(homes)
}

// makeHome makes the caller's home and /tmp. The names come from the warden and hold no slash; what the caller has put below
// them is never followed.
func makeHome(name string) error {
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%w: %q is no home", wire.ErrMalformed, name)
	}
	if err := ownDirectory("/home", name); err != nil {
		return err
	}
	return ownDirectory("/tmp", name)
}

// ownDirectory makes a directory that belongs to the sessions' user, unless it is there already.
func ownDirectory(parent, name string) error {
	dir, err := os.OpenFile(parent, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("cannot make a home: %w", err)
	}
	defer dir.Close()
	err = unix.Mkdirat(int(dir.Fd()), name, 0o700)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot make %s/%s: %w", parent, name, err)
	}
	if err := unix.Fchownat(int(dir.Fd()), name, nsjail.UID, nsjail.GID, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("cannot give %s/%s to its user: %w", parent, name, err)
	}
	return nil
}
