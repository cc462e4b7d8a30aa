package policy

import (
	"strconv"
	"strings"

	"github.com/agext/levenshtein"

	"forkgate/gate"
)

// didYouMean ends a complaint about an unknown word with the nearest known one; empty where none is near.
func didYouMean(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := levenshtein.Distance(word, k, nil); k != "" && d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return " Did you mean " + quoted(best) + "?"
}

// sentence makes an error a sentence.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// quoted shows a text from outside, cut where it is long.
func quoted(s string) string { return strconv.Quote(cut(s)) }

func cut(s string) string {
	const shown = 80
	if len(s) > shown {
		s = s[:shown] + "..."
	}
	return gate.Printable(s)
}
