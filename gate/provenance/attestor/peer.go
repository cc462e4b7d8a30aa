package attestor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// peer is the process that has connected: the very one, as long as its pidfd says that it lives.
type peer struct {
	pid int
	uid uint32
	fd  int // a pidfd
}

// identify asks the kernel who has connected. A process that has given its end of the connection away since is still the one that is
// judged.
func identify(c *net.UnixConn) (peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}, fmt.Errorf("cannot identify a caller: %w", err)
	}
	var p peer
	var failed error
	err = raw.Control(func(fd uintptr) { p, failed = identifyBy(int(fd)) })
	if err := errors.Join(err, failed); err != nil {
		return peer{}, fmt.Errorf("cannot identify a caller: %w", err)
	}
	return p, nil
}

func identifyBy(socket int) (peer, error) {
	cred, err := unix.GetsockoptUcred(socket, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return peer{}, err
	}
	if cred.Pid <= 0 {
		return peer{}, errors.New("it is outside of the attestor's pid namespace")
	}
	fd, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PEERPIDFD) // Linux 6.5
	if errors.Is(err, unix.ENOPROTOOPT) || errors.Is(err, unix.EINVAL) {
		fd, err = unix.PidfdOpen(int(cred.Pid), 0)
	}
	if err != nil {
		return peer{}, err
	}
	unix.CloseOnExec(fd)
	return peer{pid: int(cred.Pid), uid: cred.Uid, fd: fd}, nil
}

// lives reports whether the process has not ended: then its pid is nobody else's.
func (p peer) lives() bool { return unix.PidfdSendSignal(p.fd, 0, nil, 0) == nil }

func (p peer) close() error { return unix.Close(p.fd) }

// isSSH says why a process is not the workstation's own ssh. It compares files and not paths: in a mount namespace of its own a
// process may call anything /usr/bin/ssh.
func (p peer) isSSH(paths []string) error {
	exe, err := os.Stat("/proc/" + strconv.Itoa(p.pid) + "/exe") // follows to the very file
	if err != nil {
		return fmt.Errorf("cannot look at its executable: %w", err)
	}
	for _, path := range paths {
		file, err := os.Stat(path)
		if err != nil || !os.SameFile(exe, file) {
			continue
		}
		var stat unix.Stat_t
		if err := unix.Stat(path, &stat); err != nil {
			return fmt.Errorf("cannot look at %s: %w", path, err)
		}
		if stat.Uid != 0 || stat.Mode&0o022 != 0 {
			return fmt.Errorf("others than root can write %s", path)
		}
		return nil
	}
	return fmt.Errorf("its executable is none of %q", paths)
}
