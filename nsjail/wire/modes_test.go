package wire

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// A terminal that gets the modes of another one is like it, in all that SSH has words for.
func TestModesOfAnotherTerminal(t *testing.T) {
	for range 100 {
		from := unix.Termios{Iflag: rand.Uint32(), Lflag: rand.Uint32(), Oflag: rand.Uint32(), Cflag: unix.CS8 | rand.Uint32()}
		for i := range from.Cc {
			from.Cc[i] = uint8(rand.Uint32N(none))
		}
		var to unix.Termios
		SetModes(&to, Modes(&from))
		again := Modes(&to)
		for opcode, value := range Modes(&from) {
			if again[opcode] != value {
				t.Errorf("mode %d of %+v was %d and is %d", opcode, from, value, again[opcode])
			}
		}
	}
}
