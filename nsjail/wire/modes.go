package wire

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// SetModes applies the modes of a pty-req (RFC 4254, section 8); those that Linux does not have are ignored, as sshd does.
func SetModes(t *unix.Termios, modes map[uint8]uint32) {
	// In the order of their numbers: CS8 after CS7, which is one of its bits.
	for _, opcode := range slices.Sorted(maps.Keys(modes)) {
		value := modes[opcode]
		if index, ok := controlCharacters[opcode]; ok {
			t.Cc[index] = character(value)
		}
		for field, flags := range flagsOf(t) {
			if bit, ok := flags[opcode]; ok && value != 0 {
				*field |= bit
			} else if ok {
				*field &^= bit
			}
		}
	}
}

// Modes are those of a terminal, for a pty-req of its like.
func Modes(t *unix.Termios) map[uint8]uint32 {
	modes := map[uint8]uint32{}
	for opcode, index := range controlCharacters {
		modes[opcode] = uint32(t.Cc[index])
		if t.Cc[index] == 0 {
			modes[opcode] = none
		}
	}
	for field, flags := range flagsOf(t) {
		for opcode, bit := range flags {
			modes[opcode] = 0
			if *field&bit == bit {
				modes[opcode] = 1
			}
		}
	}
	return modes
}

// none is SSH's word for a character that a terminal has not; Linux's is _POSIX_VDISABLE, 0.
const none = 255

func character(value uint32) uint8 {
	if value >= none {
		return 0
	}
	return uint8(value)
}

func flagsOf(t *unix.Termios) map[*uint32]map[uint8]uint32 {
	return map[*uint32]map[uint8]uint32{&t.Iflag: inputFlags, &t.Lflag: localFlags, &t.Oflag: outputFlags, &t.Cflag: controlFlags}
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
