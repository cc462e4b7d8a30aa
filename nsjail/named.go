package nsjail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/cgroup"
)

// A session has a cgroup to itself as long as it lives, and the group bears its name: in an extended attribute, as groups are used again
// and cgroup v2 renames none. So the host finds a session by asking the kernel, whatever became of who started it, and whatever the pod
// says.

// nameAttribute is where a group bears the name of the session that has it, or had it last (xattr(7)). It takes no capability.
const nameAttribute = "user.forkgate.session"

// maxName is how long a session's name may be.
const maxName = 64

// ErrName says that this is no name of a session.
var ErrName = errors.New("malformed name of a session")

// Name has a cgroup, which must be empty, bear the name of the session that it is for.
func Name(group *os.File, session string) error {
	if !wellFormed(session) {
		return fmt.Errorf("%w: %.80q", ErrName, session)
	}
	if err := unix.Fsetxattr(int(group.Fd()), nameAttribute, []byte(session), 0); err != nil {
		return fmt.Errorf("cannot name cgroup %s: %w", group.Name(), err)
	}
	return nil
}

func wellFormed(session string) bool {
	return session != "" && len(session) <= maxName && strings.Trim(session, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Living lists the sessions that live in the pod whose unit has this cgroup.
func Living(unit string) (sessions []string, err error) {
	err = eachGroup(unit, func(path, session string) error {
		lives, err := cgroup.Populated(path)
		if lives {
			sessions = append(sessions, session)
		}
		return err
	})
	return sessions, err
}

// eachGroup calls do for each group of a session's, with whose it is or was.
func eachGroup(unit string, do func(path, session string) error) error {
	top := filepath.Join(unit, SessionsGroup)
	groups, err := os.ReadDir(top)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look for sessions: %w", err)
	}
	for _, g := range groups {
		if !g.IsDir() {
			continue
		}
		path := filepath.Join(top, g.Name())
		if session := nameOf(path); session != "" {
			if err := do(path, session); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameOf is the session that a group was named after last; empty where it was after none, or is gone.
func nameOf(group string) string {
	var name [maxName]byte
	n, err := unix.Lgetxattr(group, nameAttribute, name[:])
	if err != nil || !wellFormed(string(name[:n])) {
		return ""
	}
	return string(name[:n])
}

// find finds where a session lives; empty where it does not.
func find(unit, session string) (path string, err error) {
	if !wellFormed(session) {
		return "", fmt.Errorf("%w: %.80q", ErrName, session)
	}
	err = eachGroup(unit, func(at, name string) error {
		if name != session {
			return nil
		}
		lives, err := cgroup.Populated(at)
		if lives {
			path = at
		}
		return err
	})
	return path, err
}

// Lives reports whether anything lives of a session, in the pod whose unit has this cgroup.
func Lives(unit, session string) (bool, error) {
	path, err := find(unit, session)
	return path != "", err
}

// EndSession kills all that lives of a session, and returns once nothing does. Its first process takes all the others along, as their
// pid namespace is its own.
func EndSession(ctx context.Context, unit, session string) error {
	for wait := time.Millisecond; ; wait = min(2*wait, time.Second/10) {
		path, err := find(unit, session)
		if path == "" || err != nil {
			return err
		}
		if err := killAll(path, session); err != nil {
			return fmt.Errorf("cannot end the session %s: %w", session, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot end the session %s: something of it still lives: %w", session, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

// killAll kills who is in a session's group now. There is cgroup.kill for that, but to whom the hierarchy is read-only that is not to be
// had, and a group that was once killed by it is of no use to another session.
func killAll(group, session string) error {
	pids, err := cgroup.Processes(group)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := killIn(group, session, pid); err != nil {
			return err
		}
	}
	return nil
}

// killIn kills a process that is in the group as long as that is the session's. Its number may be another's by now, and so may the group:
// so the process is held by a descriptor first, then looked at again, then the group's name is, and it is killed by that descriptor. A
// group has another name only once who was in it is dead.
func killIn(group, session string, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot hold process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	of, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot see where process %d is: %w", pid, err)
	}
	if !memberOf(string(of), group) || nameOf(group) != session {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot kill process %d: %w", pid, err)
	}
	return nil
}

// memberOf reports whether /proc/PID/cgroup names a session's group as one that the process is in or below (cgroups(7)). The hierarchy may
// be mounted from some way down: so it goes by the end of the path, from the pod's unit on.
func memberOf(membership, group string) bool {
	sessions := filepath.Dir(group)
	end := "/" + filepath.Join(filepath.Base(filepath.Dir(sessions)), filepath.Base(sessions), filepath.Base(group)) + "/"
	for line := range strings.Lines(membership) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if ok && strings.Contains(path+"/", end) {
			return true
		}
	}
	return false
}
