package policy

import (
	"slices"
	"strings"
)

// pattern is what a rule asks of a text's form.
type pattern struct {
	text string
	form form
}

// form is how a pattern is read.
type form int8

const (
	glob   form = iota // * stands for any run of bytes, ? for one
	prefix             // the text begins so
	word               // the text is this one
)

func (p pattern) fits(s string) bool {
	switch p.form {
	case prefix:
		return strings.HasPrefix(s, p.text)
	case word:
		return s == p.text
	}
	return globMatch(p.text, s)
}

// sample is a text that fits a glob or a prefix, with this for whatever is left open.
func (p pattern) sample(open string) string {
	if p.form == prefix {
		return p.text + open
	}
	return strings.NewReplacer("*", open, "?", open).Replace(p.text)
}

// shortest is the shortest text that fits, with a letter for each byte that is left open.
func (p pattern) shortest() string {
	if p.form == prefix {
		return p.text
	}
	return strings.NewReplacer("*", "", "?", "a").Replace(p.text)
}

// step is a place in a pattern: the byte that is wanted next, or one of the two below.
type step int16

const (
	anyByte step = 256 + iota
	anyRun
)

func (p pattern) steps() (steps []step) {
	for i := range len(p.text) {
		switch b := p.text[i]; {
		case b == '*' && p.form == glob:
			steps = append(steps, anyRun)
		case b == '?' && p.form == glob:
			steps = append(steps, anyByte)
		default:
			steps = append(steps, step(b))
		}
	}
	if p.form == prefix {
		steps = append(steps, anyRun)
	}
	return steps
}

// The bounds of what is found out about patterns at load. What is beyond them counts as unknown.
const (
	maxTogether = 8 // patterns of one fact
	maxSteps    = 63
	maxPlaces   = 2_000
)

// places is where each pattern may have got to after some text: a bit for each of its steps, and one for its end.
type places [maxTogether]uint64

// class is a set of patterns that some text fits, while it fits none of the others that were looked at.
type class struct{ fitting, of []pattern }

// tells reports whether it is known if what is of a class fits a pattern.
func (c *class) tells(p pattern) bool { return c != nil && slices.Contains(c.of, p) }

// classes lists the sets of patterns that there is a text for, and says whether these are all: each pattern is a finite automaton, and all of
// them run side by side over every text that makes a difference, as each byte that none of them names is like the next.
func classes(patterns []pattern) (found []class, all bool) {
	if len(patterns) > maxTogether {
		return nil, false
	}
	var automata [maxTogether][]step
	bytes := []step{anyByte} // for one that no pattern names
	for i, p := range patterns {
		automata[i] = p.steps()
		if len(automata[i]) > maxSteps {
			return nil, false
		}
		for _, s := range automata[i] {
			if s < anyByte && !slices.Contains(bytes, s) {
				bytes = append(bytes, s)
			}
		}
	}
	var start places
	for i := range patterns {
		start[i] = passed(automata[i], 1)
	}
	seen, queue := map[places]bool{start: true}, []places{start}
	kinds := map[uint]bool{}
	for ; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if kind := ended(automata[:len(patterns)], at); !kinds[kind] {
			kinds[kind] = true
			found = append(found, class{chosen(patterns, kind), patterns})
		}
		for _, b := range bytes {
			var next places
			for i := range patterns {
				next[i] = after(automata[i], at[i], b)
			}
			if !seen[next] {
				seen[next], queue = true, append(queue, next)
			}
		}
		if len(seen) > maxPlaces {
			return nil, false
		}
	}
	return found, true
}

// after is where a pattern may be when one more byte has come.
func after(steps []step, at uint64, b step) (next uint64) {
	for i, s := range steps {
		switch {
		case at&(1<<i) == 0:
		case s == anyRun:
			next |= 1 << i
		case s == anyByte || s == b:
			next |= 1 << (i + 1)
		}
	}
	return passed(steps, next)
}

// passed goes on where nothing need come.
func passed(steps []step, at uint64) uint64 {
	for i, s := range steps {
		if s == anyRun && at&(1<<i) != 0 {
			at |= 1 << (i + 1)
		}
	}
	return at
}

// ended has a bit for each pattern that the text up to here fits.
func ended(automata [][]step, at places) (kind uint) {
	for i, steps := range automata {
		if at[i]&(1<<len(steps)) != 0 {
			kind |= 1 << i
		}
	}
	return kind
}

func chosen(patterns []pattern, kind uint) (fitting []pattern) {
	for i, p := range patterns {
		if kind&(1<<i) != 0 {
			fitting = append(fitting, p)
		}
	}
	return fitting
}
