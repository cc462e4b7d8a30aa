package inside

import (
	"fmt"
	"maps"
	"os"
	"slices"

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

// setModes applies the modes of a pty-req (RFC 4254, section 8); those that Linux does not have are ignored, as sshd does.
func setModes(fd int, modes map[uint8]uint32) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("cannot read a terminal's modes: %w", err)
	}
	// In the order of their numbers: CS8 after CS7, which is one of its bits.
	for _, opcode := range slices.Sorted(maps.Keys(modes)) {
		value := modes[opcode]
		if index, ok := controlCharacters[opcode]; ok {
			t.Cc[index] = character(value)
		}
		for field, flags := range map[*uint32]map[uint8]uint32{
			&t.Iflag: inputFlags, &t.Lflag: localFlags, &t.Oflag: outputFlags, &t.Cflag: controlFlags,
		} {
			if bit, ok := flags[opcode]; ok && value != 0 {
				*field |= bit
			} else if ok {
				*field &^= bit
			}
		}
	}
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return fmt.Errorf("cannot set a terminal's modes: %w", err)
	}
	return nil
}

// character turns SSH's 255, "none", into Linux's _POSIX_VDISABLE, 0.
func character(value uint32) uint8 {
	if value >= 255 {
		return 0
	}
	return uint8(value)
}

var controlCharacters = map[uint8]int{
	1: unix.VINTR, 2: unix.VQUIT, 3: unix.VERASE, 4: unix.VKILL, 5: unix.VEOF, 6: unix.VEOL, 7: unix.VEOL2, 8: unix.VSTART,
	9: unix.VSTOP, 10: unix.VSUSP, 12: unix.VREPRINT, 13: unix.VWERASE, 14: unix.VLNEXT, 18: unix.VDISCARD,
}

var inputFlags = map[uint8]uint32{
	30: unix.IGNPAR, 31: unix.PARMRK, 32: unix.INPCK, 33: unix.ISTRIP, 34: unix.INLCR, 35: unix.IGNCR, 36: unix.ICRNL,
	37: unix.IUCLC, 38: unix.IXON, 39: unix.IXANY, 40: unix.IXOFF, 41: unix.IMAXBEL, 42: unix.IUTF8,
}

var localFlags = map[uint8]uint32{
	50: unix.ISIG, 51: unix.ICANON, 52: unix.XCASE, 53: unix.ECHO, 54: unix.ECHOE, 55: unix.ECHOK, 56: unix.ECHONL,
	57: unix.NOFLSH, 58: unix.TOSTOP, 59: unix.IEXTEN, 60: unix.ECHOCTL, 61: unix.ECHOKE, 62: unix.PENDIN,
}

var outputFlags = map[uint8]uint32{
	70: unix.OPOST, 71: unix.OLCUC, 72: unix.ONLCR, 73: unix.OCRNL, 74: unix.ONOCR, 75: unix.ONLRET,
}

var controlFlags = map[uint8]uint32{90: unix.CS7, 91: unix.CS8, 92: unix.PARENB, 93: unix.PARODD}
