package inside

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
)

// ErrNotConfined says that a session could do what it must not be able to. It is not started.
var ErrNotConfined = errors.New("the session is not confined")

// verify tries what a session must not be able to do. A stage that could still do it ends here, before the caller's command
// has run: a kernel option that is off, or a step of renounce that was lost, is found by the first login and not by an attacker.
func verify() error {
	attempts := []struct {
		what string
		try  func() error
	}{
		{"make a user namespace", func() error { return unix.Unshare(unix.CLONE_NEWUSER) }},
		{"make a mount namespace", func() error { return unix.Unshare(unix.CLONE_NEWNS) }},
		{"mount a filesystem", func() error { return unix.Mount("verify", "/tmp", "tmpfs", 0, "") }},
		{"become root again", func() error { return setRootID(unix.SYS_SETRESUID) }},
		{"become root's group again", func() error { return setRootID(unix.SYS_SETRESGID) }},
		{"write to the root directory", func() error { return os.Mkdir("/verify", 0o700) }},
		{"see its own pid 1", func() error { _, err := os.Stat("/proc/1/status"); return err }},
		{"open a file by its handle", openByHandle},
		{"open a vsock", func() error { return openSocket(unix.AF_VSOCK) }},
		{"open a kernel crypto socket", func() error { return openSocket(unix.AF_ALG) }},
		{"keep a capability", holdCapability},
	}
	for _, a := range attempts {
		if a.try() == nil {
			return fmt.Errorf("%w: it can %s", ErrNotConfined, a.what)
		}
	}
	if os.Getuid() != nsjail.UID || os.Geteuid() != nsjail.UID || os.Getgid() != nsjail.GID || os.Getegid() != nsjail.GID {
		return fmt.Errorf("%w: it has the wrong ids", ErrNotConfined)
	}
	return nil
}

// setRootID makes 0 the effective id of this thread, by a call like setresuid(2).
func setRootID(call uintptr) error {
	const unchanged = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(call, unchanged, 0, unchanged); errno != 0 {
		return errno
	}
	return nil
}

func openByHandle() error {
	fd, err := unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, make([]byte, 8)), unix.O_RDONLY)
	if err == nil {
		unix.Close(fd)
		return nil
	}
	if errors.Is(err, unix.EPERM) {
		return err
	}
	return nil // anything but a refusal means that the kernel looked
}

func openSocket(family int) error {
	fd, err := unix.Socket(family, unix.SOCK_SEQPACKET, 0)
	if err == nil {
		unix.Close(fd)
		return nil
	}
	if errors.Is(err, unix.EPERM) {
		return err
	}
	return nil
}

var errNone = errors.New("none")

// holdCapability succeeds where any set still has a capability in it (capget(2)).
func holdCapability() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return nil
	}
	for _, s := range sets {
		if s.Effective|s.Permitted|s.Inheritable != 0 {
			return nil
		}
	}
	for c := 0; c <= unix.CAP_LAST_CAP; c++ {
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err == nil && has != 0 {
			return nil
		}
	}
	return errNone
}
