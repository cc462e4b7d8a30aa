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

// view is what a session sees that others do not, as mounts that are attached nowhere yet. All but the terminals are pieces of
// what the half has: a filesystem made for each session would be what its start costs most.
type view struct {
	homes, home, tmp, varTmp, shm, pts *os.File
	agent                              *os.File // nil: no ssh-agent
	open                               []*os.File
}

// Directories of the half's own /tmp, which no session sees: sessions have pieces of it.
const (
	tmpDirs  = "/tmp/tmp"   // the callers' /tmp
	shmDirs  = "/tmp/shm"   // their /dev/shm
	homesDir = "/tmp/homes" // for each caller a directory of homes that has none but its own
)

// prepareViews makes what newView counts on.
func prepareViews() error {
	for _, dir := range []string{tmpDirs, shmDirs, homesDir, emptyDir, agentDir} {
		if err := os.Mkdir(dir, 0o555); err != nil {
			return fmt.Errorf("cannot prepare for sessions: %w", err)
		}
	}
	return nil
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
	for _, piece := range []struct {
		into       **os.File
		of         string
		attributes uint64
	}{
		{&v.homes, path.Join(homesDir, home), mount.ReadOnly}, {&v.home, path.Join("/home", home), 0},
		{&v.tmp, path.Join(tmpDirs, home), 0}, {&v.varTmp, path.Join(tmpDirs, home), 0}, {&v.shm, path.Join(shmDirs, home), 0},
	} {
		mnt, made := mount.Clone(root, strings.TrimPrefix(piece.of, "/"), mount.NoSUID|mount.NoDev|piece.attributes)
		keep(piece.into, mnt, made)
	}
	pts, made := mount.New("devpts", mount.NoSUID|mount.NoExec, mount.Option{Key: "newinstance"},
		mount.Option{Key: "ptmxmode", Value: "0666"}, mount.Option{Key: "mode", Value: "0620"},
		mount.Option{Key: "uid", Value: fmt.Sprint(nsjail.UID)}, mount.Option{Key: "gid", Value: "5"})
	keep(&v.pts, pts, made)
	if err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *view) close() { wire.CloseAll(v.open) }

// makeHome makes the caller's home, /tmp and /dev/shm. The names come from the warden and hold no slash; what the caller has put
// below them is never followed.
func makeHome(name string) error {
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%w: %q is no home", wire.ErrMalformed, name)
	}
	for _, parent := range []string{"/home", tmpDirs, shmDirs} {
		if err := ownDirectory(parent, name); err != nil {
			return err
		}
	}
	// A place for one home, and nothing else.
	if err := os.MkdirAll(path.Join(homesDir, name, name), 0o755); err != nil {
		return fmt.Errorf("cannot make a place for the home: %w", err)
	}
	return nil
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
