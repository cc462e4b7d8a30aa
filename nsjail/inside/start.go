package inside

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/mount"
	"forkgate/nsjail/wire"
)

// Descriptors that a session's pid 1 starts with, behind its orders.
const (
	fdSession  = 4 // to the door
	fdTerminal = 5 // devpts of its own, mounted nowhere yet
	fdStdin    = 6 // and stdout, stderr: the command's
	fdMaster   = 9 // of the terminal, where there is one
)

// startSession makes what only session init can make (homes, a terminal, a cgroup) and starts the session's pid 1. It returns
// the terminal's master, where there is to be one.
func startSession(e wire.Exec, files []*os.File, groups *os.File) (master *os.File, err error) {
	if err := makeHome(e.Home); err != nil {
		return nil, err
	}
	pts, err := mount.New("devpts", mount.NoSUID|mount.NoExec, mount.Option{Key: "newinstance"},
		mount.Option{Key: "ptmxmode", Value: "0666"}, mount.Option{Key: "mode", Value: "0620"},
		mount.Option{Key: "uid", Value: fmt.Sprint(nsjail.UID)}, mount.Option{Key: "gid", Value: "5"})
	if err != nil {
		return nil, err
	}
	defer pts.Close()
	stdio := files[1:]
	if e.Terminal != nil {
		var slave *os.File
		if master, slave, err = openTerminal(pts, *e.Terminal); err != nil {
			return nil, err
		}
		defer slave.Close()
		stdio = []*os.File{slave, slave, slave}
	}
	if err := spawnSession(e, files[0], pts, stdio, master, groups); err != nil {
		if master != nil {
			master.Close()
		}
		return nil, err
	}
	return master, nil
}

func spawnSession(e wire.Exec, door, pts *os.File, stdio []*os.File, master, groups *os.File) error {
	group, err := makeGroup(groups, "session-"+e.Session)
	if err != nil {
		return err
	}
	orders, theirs, err := wire.Pair()
	if err != nil {
		removeGroup(groups, group)
		return err
	}
	defer theirs.Close()
	files := append([]*os.File{os.Stdin, os.Stdout, os.Stderr, theirs, door, pts}, stdio...)
	if master != nil {
		files = append(files, master)
	}
	p, err := os.StartProcess("/proc/self/exe", []string{"init", "session"}, &os.ProcAttr{
		Env: []string{}, Files: files,
		Sys: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC,
			UseCgroupFD: true, CgroupFD: int(group.Fd()), Setsid: true,
		},
	})
	if err != nil {
		orders.Close()
		removeGroup(groups, group)
		return fmt.Errorf("cannot start a session: %w", err)
	}
	go func() {
		_, _ = p.Wait()
		orders.Close()
		removeGroup(groups, group)
	}()
	return orders.Send(0, wire.TypeExec, e)
}

// makeHome makes the caller's home, its directory for temporary files that containers can see, and its /tmp. The names come
// from the warden and hold no slash; what the caller has put below them is never followed.
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
