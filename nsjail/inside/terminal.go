package inside

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// openTerminal makes a terminal in a devpts that is mounted nowhere yet (pts(4)).
func openTerminal(pts *os.File, t wire.Terminal) (master, slave *os.File, err error) {
	fd, err := unix.Openat(int(pts.Fd()), "ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a terminal: %w", err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	defer func() {
		if err != nil {
			master.Close()
		}
	}()
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, fmt.Errorf("cannot unlock a terminal: %w", err)
	}
	// By descriptor, not by the name in a devpts that is nowhere to be found yet.
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return nil, nil, fmt.Errorf("cannot open a terminal: %w", errno)
	}
	slave = os.NewFile(peer, "pts")
	if err := setModes(int(peer), t.Modes); err != nil {
		slave.Close()
		return nil, nil, err
	}
	if err := setSize(fd, t.Size); err != nil {
		slave.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

func setSize(fd int, r wire.Resize) error {
	size := unix.Winsize{Row: clip(r.Rows), Col: clip(r.Columns), Xpixel: clip(r.Width), Ypixel: clip(r.Height)}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &size); err != nil {
		return fmt.Errorf("cannot size a terminal: %w", err)
	}
	return nil
}

func clip(n uint32) uint16 { return uint16(min(n, 1<<16-1)) }

// setModes applies the modes of a pty-req.
func setModes(fd int, modes map[uint8]uint32) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("cannot read a terminal's modes: %w", err)
	}
	wire.SetModes(t, modes)
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return fmt.Errorf("cannot set a terminal's modes: %w", err)
	}
	return nil
}
