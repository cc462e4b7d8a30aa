package policy

import (
	"strconv"
	"strings"

	"github.com/agext/levenshtein"

	"forkgate/gate"
)

// didYouMean ends a complaint about an unknown word with the nearest known one; empty where none is near.
func didYouMean(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return " Did you mean " + quoted(near) + "?"
	}
	return ""
}

// nearest is the known word that is at most two letters away; empty where none is.
func nearest(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := levenshtein.Distance(word, k, nil); k != "" && d < distance {
			best, distance = k, d
		}
	}
	return best
}

// sentence makes an error a sentence.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// quoted shows a text from outside, cut where it is long, and not at all where it is a secret.
func quoted(s string) string {
	if hasSecret(s) {
		return unshown
	}
	return strconv.Quote(cut(s))
}

func cut(s string) string {
	const shown = 80
	if len(s) > shown {
		s = s[:shown] + "..."
	}
	return gate.Printable(s)
}

// slip reports whether a word looks like another one with a letter wrong, missing, too many or in its neighbour's place, or two in a long word.
// Words of which a short part differs, as team-a and team-b, web1 and web2, prod-eu and prod-us, are meant to.
func slip(word, other string) bool {
	const short, long = 4, 9
	d := levenshtein.Distance(word, other, nil)
	switch {
	case d == 0 || d > 2 || max(len(word), len(other)) < short || numbered(word, other):
		return false
	case d == 1 || min(len(word), len(other)) >= long:
		return true
	}
	return swapped(word, other)
}

// numbered reports whether two words differ in digits alone, or in one part of at most two letters.
func numbered(a, b string) bool {
	digits := func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}
	if strings.Map(digits, a) == strings.Map(digits, b) {
		return true
	}
	parts := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("-_.", r) })
	}
	as, bs := parts(a), parts(b)
	if len(as) != len(bs) {
		return false
	}
	for i := range as {
		if as[i] != bs[i] && max(len(as[i]), len(bs[i])) <= 2 {
			return true
		}
	}
	return false
}

// swapped reports whether two letters beside each other have changed places.
func swapped(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}
