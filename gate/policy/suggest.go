package policy

import (
	"strconv"

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

// quoted shows a text from outside, cut where it is long.
func quoted(s string) string { return strconv.Quote(cut(s)) }

func cut(s string) string {
	const shown = 80
	if len(s) > shown {
		s = s[:shown] + "..."
	}
	return gate.Printable(s)
}
