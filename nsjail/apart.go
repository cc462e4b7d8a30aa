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

// Sessions that somebody may have to end from outside are apart: each has a cgroup that bears its name, and which no other ever has. So the
// host finds them by asking the kernel, whatever became of who started them, and whatever the pod says.

// apart starts the names of such groups.
const apart = "apart-"

// ErrName says that a session's name cannot be that of a directory.
var ErrName = errors.New("malformed name of a session")

// SessionGroup is the name of the cgroup of a session that is apart, below SessionsGroup of its pod.
func SessionGroup(session string) (string, error) {
	if session == "" || len(session) > 64 || strings.Trim(session, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", fmt.Errorf("%w: %.80q", ErrName, session)
	}
	return apart + session, nil
}

// IsApart reports whether that is the name of such a group.
func IsApart(group string) bool { return strings.HasPrefix(group, apart) }

// Lives reports whether anything lives of a session that is apart, in the pod whose unit has this cgroup.
func Lives(unit, session string) (bool, error) {
	group, err := SessionGroup(session)
	if err != nil {
		return false, err
	}
	return cgroup.Populated(filepath.Join(unit, SessionsGroup, group))
}

// EndSession kills all that lives of a session that is apart, and returns once nothing does. Its first process takes all the others
// along, as their pid namespace is its own.
func EndSession(ctx context.Context, unit, session string) error {
	group, err := SessionGroup(session)
	if err != nil {
		return err
	}
	path := filepath.Join(unit, SessionsGroup, group)
	for wait := time.Millisecond; ; wait = min(2*wait, time.Second/10) {
		lives, err := cgroup.Populated(path)
		if !lives || err != nil {
			return err
		}
		if err := killAll(path); err != nil {
			return fmt.Errorf("cannot end the session %s: %w", session, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot end the session %s: something of it still lives: %w", session, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

// killAll kills who is in a group now. There is cgroup.kill for that, but to whom the hierarchy is read-only that is not to be had.
func killAll(group string) error {
	pids, err := cgroup.Processes(group)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := killIn(group, pid); err != nil {
			return err
		}
	}
	return nil
}

// killIn kills a process that is in the group. Its number may be another's by now: so it is held by a descriptor first, then looked at
// again, and killed by that descriptor.
func killIn(group string, pid int) error {
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
	if !memberOf(string(of), filepath.Base(group)) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot kill process %d: %w", pid, err)
	}
	return nil
}

// memberOf reports whether /proc/PID/cgroup names the group as one that the process is in or below (cgroups(7)). A group's name is a
// session's, and so is in no other place.
func memberOf(membership, group string) bool {
	for line := range strings.Lines(membership) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if ok && strings.Contains(path+"/", "/"+SessionsGroup+"/"+group+"/") {
			return true
		}
	}
	return false
}
