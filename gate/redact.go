package gate

import (
	"regexp"
	"slices"
)

// Redaction is something that no record shows: a pattern of RE2 (https://github.com/google/re2/wiki/Syntax), and what it is called there.
type Redaction struct {
	Name    string         `json:"name"`
	Pattern *regexp.Regexp `json:"pattern"`
}

// Redactions are all of them.
type Redactions []Redaction

// Apply puts [redacted:NAME] in place of what a pattern matches. Where two match at once all of it is one, by the name of what begins first.
func (all Redactions) Apply(text string) string {
	if len(all) == 0 {
		return text
	}
	return Hide(text, all.Spans(text))
}

// Hide puts [redacted:NAME] in place of spans of a text.
func Hide(text string, spans []Redacted) string {
	if len(spans) == 0 {
		return text
	}
	var out []byte
	at := 0
	for _, s := range spans {
		out = append(append(out, text[at:s.From]...), "[redacted:"+s.Name+"]"...)
		at = s.To
	}
	return string(append(out, text[at:]...))
}

// Redacted is a piece of a text that is not shown.
type Redacted struct {
	From, To int // bytes
	Name     string
}

// Spans finds them, in order; none begins within another.
func (all Redactions) Spans(text string) []Redacted {
	var found []Redacted
	for _, one := range all {
		for _, at := range one.Pattern.FindAllStringIndex(text, -1) {
			if at[0] < at[1] {
				found = append(found, Redacted{at[0], at[1], one.Name})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Redacted) int {
		if a.From != b.From {
			return a.From - b.From
		}
		return b.To - a.To
	})
	spans := found[:0]
	for _, s := range found {
		if n := len(spans); n > 0 && s.From < spans[n-1].To {
			spans[n-1].To = max(spans[n-1].To, s.To) // what either matches is not shown
			continue
		}
		spans = append(spans, s)
	}
	return spans
}
