package gate

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes text that may come from outside safe to show on a terminal and in a log: whatever is not a printable
// rune appears as its Go escape.
func Printable(s string) string {
	clean := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if !strings.ContainsFunc(s, func(r rune) bool { return !clean(r) }) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if clean(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteToASCII(s[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[n:]
	}
	return b.String()
}

// Exact shows text byte for byte, in one line of printable ASCII, for somebody who has to agree to it: no two texts look alike. A backslash,
// a space that could not be seen or counted (at either end, behind another one), and whatever is no printable ASCII appear as Go escapes.
func Exact(s string) string {
	var b strings.Builder
	for i, n := 0, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		quoted := strconv.QuoteToASCII(s[i : i+n])
		switch {
		case r == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' '):
			b.WriteString(`\x20`)
		case r == '"':
			b.WriteByte('"')
		default:
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// Count is a number of things, in words: 1 fork, 2 forks, 0 repositories.
func Count(n int, what string) string {
	switch stem, y := strings.CutSuffix(what, "y"); {
	case n == 1:
	case y && !strings.HasSuffix(stem, "e"):
		what = stem + "ies"
	default:
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
