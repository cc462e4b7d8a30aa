package inside

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/bare"
	"forkgate/nsjail/wire"
)

// ErrNotConfined says that a session could do what it must not be able to. It was not started.
var ErrNotConfined = errors.New("the session is not confined")

// reportSocket makes the socket on which a session's processes say how far they got. The kernel adds who they are: a pid of the
// session's own namespace would mean nothing here. Our end is for the runtime's poller: a thread that waits in the kernel, for each
// of the sessions that start at once, costs more than they do.
func reportSocket() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "report")
	ours, err = wire.Pollable(os.NewFile(uintptr(fds[0]), "report"))
	if err == nil {
		err = unix.SetsockoptInt(int(ours.Fd()), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	}
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("cannot prepare for a session's report: %w", err)
	}
	return ours, theirs, nil
}

// started waits until the command has been executed and returns its pid.
func (s *written) started(report *os.File) (pid int, err error) {
	for {
		f, from, err := receiveReport(report)
		switch {
		case err != nil:
			return 0, err
		case f == nil && pid != 0: // the last copy of the socket closed on exec
			return pid, nil
		case f == nil:
			return 0, errors.New("the session ended before its command started")
		case f.List == bare.Started:
			pid = from
		default:
			return 0, s.explain(*f)
		}
	}
}

// explain puts a report into words. It comes from our own code, but from a process that is half given away: its numbers are
// checked.
func (s *written) explain(f bare.Failure) error {
	calls := [lists][]bare.Call{s.before[0], s.before[1], s.inner[0], s.inner[1], s.inner[2], s.after[0]}
	if f.List >= lists || int(f.Index) >= len(s.what[f.List]) {
		return fmt.Errorf("a session's report makes no sense: %+v", f)
	}
	what := s.what[f.List][f.Index]
	if calls[f.List][f.Index].MustFail() {
		return fmt.Errorf("%w: trying to %s gave %q", ErrNotConfined, what, unix.Errno(f.Errno).Error())
	}
	return fmt.Errorf("cannot %s: %w", what, unix.Errno(f.Errno))
}

// receiveReport returns nil at the end.
func receiveReport(report *os.File) (*bare.Failure, int, error) {
	var f bare.Failure
	data := (*[unsafe.Sizeof(f)]byte)(unsafe.Pointer(&f))[:]
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	var n, oobn int
	err := whenReady(report, func(fd int) (err error) {
		n, oobn, _, _, err = unix.Recvmsg(fd, data, oob, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("cannot hear from a session: %w", err)
	}
	if n != len(data) {
		return nil, 0, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return nil, 0, fmt.Errorf("cannot tell who a session is: %w", err)
	}
	from, err := unix.ParseUnixCredentials(&messages[0])
	if err != nil {
		return nil, 0, fmt.Errorf("cannot tell who a session is: %w", err)
	}
	return &f, int(from.Pid), nil
}

// whenReady makes a call that does not block, again whenever the poller thinks that it is worth it.
func whenReady(f *os.File, call func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var called error
	err = raw.Read(func(fd uintptr) bool {
		for {
			if called = call(int(fd)); !errors.Is(called, unix.EINTR) {
				return !errors.Is(called, unix.EAGAIN)
			}
		}
	})
	if err != nil {
		return err
	}
	return called
}

// waitFor waits for a child, without a thread.
func waitFor(pid int) error {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("cannot wait for %d: %w", pid, err)
	}
	child := os.NewFile(uintptr(fd), "pidfd")
	defer child.Close()
	return whenReady(child, func(fd int) error { return unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED, nil) })
}
