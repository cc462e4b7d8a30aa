package tape

import (
	"bytes"
	"testing"
)

// What shows text comes through, however it is cut; what asks the terminal, or writes elsewhere than on it, does not.
func TestTame(t *testing.T) {
	for in, want := range map[string]string{
		"plain\r\n\ttext é€":                           "plain\r\n\ttext é€",
		"\x1b[1;31mred\x1b[0m":                         "\x1b[1;31mred\x1b[0m",
		"\x1b[2J\x1b[10;3Hx\x1b[?25l\x1b[?1049h":       "\x1b[2J\x1b[10;3Hx\x1b[?25l\x1b[?1049h",
		"a\x1b]0;owned\x07b":                           "ab",
		"a\x1b]52;c;cm0gLXJm\x1b\\b":                   "ab",
		"a\x1bP$q\x22p\x1b\\b\x1b_x\x1b\\c\x1b^y\x07d": "abcd",
		"a\x1b[6nb\x1b[cc\x1b[>cd\x1b[21te\x1b[?1$pf":  "abcdef",
		"a\x1bcb\x1bZc\x1b7d\x1b8":                     "abc\x1b7d\x1b8",
		"a\x05b\x07c\x00d":                             "abcd",
		"a\x1b\x1b[31mb":                               "a[31mb",
		"a\x1b[\x1b[32mb":                              "a\x1b[32mb",
		"a\u009b31mb\u009b6nc":                         "a\x1b[31mbc",
		"a\u009d0;owned\u009cb\u0090q\u009cc\u0085d":   "abc\x1bEd",
		"a\x1b[\u009b32mb\x1b\u009d0;x\x07c":           "a\x1b[32mb]0;xc",
		"£ \u00a0 Â é":                                 "£ \u00a0 Â é",
		"\x1b(0lqk\x1b(B":                              "\x1b(0lqk\x1b(B",
	} {
		var whole, cut bytes.Buffer
		if _, err := Tame(&whole).Write([]byte(in)); err != nil {
			t.Fatal(err)
		}
		w := Tame(&cut)
		for i := range len(in) {
			if _, err := w.Write([]byte(in)[i : i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if whole.String() != want || cut.String() != want {
			t.Errorf("%q: %q whole, %q cut, not %q", in, whole.String(), cut.String(), want)
		}
	}
}
