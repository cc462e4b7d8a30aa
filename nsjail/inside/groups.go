package inside

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
)

// groups are the sessions' cgroups, below the half's own. One that a session has left is used for the next: to remove and make
// one costs more than all the mounts of a session.
type groups struct {
	top *os.File

	mu   sync.Mutex
	made int
	free []*os.File
}

// take returns an empty group.
func (g *groups) take() (*os.File, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.free); n > 0 {
		group := g.free[n-1]
		g.free = g.free[:n-1]
		return group, nil
	}
	group, err := g.make(fmt.Sprintf("session-%d", g.made))
	if err == nil {
		g.made++
	}
	return group, err
}

// forSession returns a group that bears the session's name.
func (g *groups) forSession(session string) (*os.File, error) {
	group, err := g.take()
	if err != nil {
		return nil, err
	}
	if err := nsjail.Name(group, session); err != nil {
		g.giveBack(group)
		return nil, err
	}
	return group, nil
}

func (g *groups) make(name string) (*os.File, error) {
	if err := unix.Mkdirat(int(g.top.Fd()), name, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make cgroup %s: %w", name, err)
	}
	fd, err := unix.Openat(int(g.top.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open cgroup %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// giveBack takes a group back that a session has left. There should be nothing in it: the session's pid 1 is gone, and all of its
// pid namespace with it. If there is, it is killed, and the group is not used again: Linux 6.18 kills whatever is born into a
// group whose cgroup.kill was once written to.
func (g *groups) giveBack(group *os.File) {
	if isEmpty(group) && g.keep(group) {
		return
	}
	if err := killGroup(group); err != nil {
		fmt.Fprintf(os.Stderr, "forkgate-init: cannot clear cgroup %s: %v\n", group.Name(), err)
	}
	group.Close()
	_ = unix.Unlinkat(int(g.top.Fd()), group.Name(), unix.AT_REMOVEDIR) // fails as long as something dies in it
}

// keep keeps a group for the next session, unless there are enough of them.
func (g *groups) keep(group *os.File) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.free) >= maxStarting {
		return false
	}
	g.free = append(g.free, group)
	return true
}

func isEmpty(group *os.File) bool {
	fd, err := unix.Openat(int(group.Fd()), "cgroup.events", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var events [64]byte
	n, err := unix.Read(fd, events[:])
	return err == nil && strings.Contains(string(events[:n]), "populated 0")
}

func killGroup(group *os.File) error {
	fd, err := unix.Openat(int(group.Fd()), "cgroup.kill", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte("1"))
	return err
}
