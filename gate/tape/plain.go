package tape

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain is what somebody reads who sees a text on a terminal that shows nothing but letters: without escapes, colours and what has no width, and
// with backspaces done. What is to be redacted is looked for in this as well: a secret with a colour in the middle is one.
func plain(text string) string {
	if !strings.ContainsFunc(text, unseen) {
		return text
	}
	var shown strings.Builder
	t := &tame{to: &shown}
	_, _ = t.Write([]byte(text)) // which fails only where shown does
	var out []byte
	for rest := shown.String(); rest != ""; {
		if rest[0] == escape {
			rest = rest[sequence(rest):]
			continue
		}
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == '\b':
			_, last := utf8.DecodeLastRune(out)
			out = out[:len(out)-last]
		case r == '\n' || r == '\r' || r == '\t' || !unseen(r):
			out = append(out, rest[:size]...)
		}
		rest = rest[size:]
	}
	return string(out)
}

// unseen reports whether a character shows nothing by itself.
func unseen(r rune) bool {
	return r != '\n' && r != '\r' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf)
}

// sequence is how long an escape sequence is that tame has let through: it is whole.
func sequence(text string) int {
	if len(text) < 2 {
		return len(text)
	}
	if text[1] != '[' { // ESC, intermediates, and one more
		n := 1
		for n < len(text)-1 && text[n] >= ' ' && text[n] <= '/' {
			n++
		}
		return n + 1
	}
	for n := 2; n < len(text); n++ {
		if text[n] >= '@' && text[n] <= '~' {
			return n + 1
		}
	}
	return len(text)
}
