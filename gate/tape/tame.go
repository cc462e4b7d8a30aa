package tape

import "io"

// Tame lets through what shows text on a terminal, colours and the cursor's ways included, and leaves out what could do more: strings to the
// operating system (titles, the clipboard), device control, and questions that the terminal would answer as if somebody had typed that
// (ECMA-48; https://invisible-island.net/xterm/ctlseqs/ctlseqs.html). A sequence that is cut between two writes is put together.
func Tame(to io.Writer) io.Writer { return &tame{to: to} }

// tame is a small parser of what comes behind an escape.
type tame struct {
	to   io.Writer
	held []byte // a sequence that has no end yet
	in   byte   // what kind: 0 none, ESC, '[', or ']' for all strings
	c1   bool   // the first byte of a control character in UTF-8 has come, or of another one
}

const (
	escape = 0x1b
	bell   = 0x07
	// first is that of U+0080 to U+009F in UTF-8, each of which a terminal takes for an escape and one more character (ECMA-48, 5.3).
	first = 0xc2
	// longest is how long a sequence may be before it is none.
	longest = 4096
)

func (t *tame) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p)+len(t.held))
	for _, c := range p {
		out = t.spell(out, c)
	}
	if _, err := t.to.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// spell spells control characters of one character as those of two are, and has all looked at.
func (t *tame) spell(out []byte, c byte) []byte {
	if !t.c1 {
		if t.c1 = c == first; t.c1 {
			return out
		}
		return t.next(out, c)
	}
	if t.c1 = c == first; t.c1 {
		return t.next(out, first)
	}
	if c >= 0x80 && c <= 0x9f {
		return t.next(t.next(out, escape), c-0x40)
	}
	return t.next(t.next(out, first), c)
}

// next takes one byte, and appends what may be shown.
func (t *tame) next(out []byte, c byte) []byte {
	switch t.in {
	case escape:
		return t.afterEscape(out, c)
	case '[':
		return t.control(out, c)
	case ']':
		t.string(c)
		return out
	}
	switch {
	case c == escape:
		t.in, t.held = escape, append(t.held[:0], c)
		return out
	case c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\b' && c != 0x0e && c != 0x0f: // shift in and out draw lines
		return out
	}
	return append(out, c)
}

func (t *tame) afterEscape(out []byte, c byte) []byte {
	t.held = append(t.held, c)
	switch {
	case c == '[':
		t.in = '['
		return out
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_': // OSC, DCS, SOS, PM, APC
		t.in = ']'
		return out
	case c >= ' ' && c <= '/': // intermediate: a character set, and one more byte
		if len(t.held) > 3 {
			t.in = 0
		}
		return out
	case c == 'Z' || c == 'c' || c < ' ' || c > '~': // who are you; a reset; nothing at all
		t.in = 0
		return out
	}
	t.in = 0
	return append(out, t.held...)
}

// control takes a byte of a control sequence. Its last one says what it is.
func (t *tame) control(out []byte, c byte) []byte {
	t.held = append(t.held, c)
	switch {
	case c == escape:
		t.in, t.held = escape, append(t.held[:0], c)
		return out
	case c < ' ' || c > '~' || len(t.held) > longest:
		t.in = 0
		return out
	case c < '@':
		return out
	}
	t.in = 0
	switch c {
	case 'n', 'c', 't', 'p', 'q', 'x', 'y', 'i': // reports, window operations, modes that are asked for, printing
		return out
	}
	return append(out, t.held...)
}

// string swallows a string up to its end.
func (t *tame) string(c byte) {
	last := t.held[len(t.held)-1]
	t.held = append(t.held[:1], c)
	if c == bell || last == escape && c == '\\' || c == 0x18 || c == 0x1a {
		t.in = 0
	}
}
