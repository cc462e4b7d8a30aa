package provenance

import (
	"fmt"
	"strings"
)

// Match says how a mark reads the value of its variable.
type Match uint8

const (
	Exactly  Match = iota // NAME=VALUE: this value and no other
	Contains              // NAME~PART: PART stands somewhere in the value
	NonEmpty              // NAME: any value but the empty one
)

// Mark is an environment variable that an agent sets for what it runs. The name is always exact: only the value of a
// Contains mark is compared in part.
type Mark struct {
	Name  string
	Match Match
	Value string // empty for NonEmpty
}

// ParseMark reads NAME=VALUE, NAME~PART or NAME.
func ParseMark(s string) (Mark, error) {
	m := Mark{Name: s, Match: NonEmpty}
	if i := strings.IndexAny(s, "=~"); i >= 0 {
		m = Mark{Name: s[:i], Match: Exactly, Value: s[i+1:]}
		if s[i] == '~' {
			m.Match = Contains
		}
		if m.Value == "" {
			return Mark{}, fmt.Errorf("the mark %q has no value after %q: NAME alone stands for any value", s, s[i])
		}
	}
	if !isVariable(m.Name) {
		return Mark{}, fmt.Errorf("%q is no name of a variable: letters, digits and _, no digit first", m.Name)
	}
	return m, nil
}

// String gives the form that ParseMark reads.
func (m Mark) String() string {
	switch m.Match {
	case Exactly:
		return m.Name + "=" + m.Value
	case Contains:
		return m.Name + "~" + m.Value
	}
	return m.Name
}

// On reports whether a NAME=VALUE entry of an environment bears the mark.
func (m Mark) On(entry string) bool {
	name, value, ok := strings.Cut(entry, "=")
	return ok && m.on(name, value)
}

// on reports whether a variable that the client sent bears the mark. A mark without a name is on nothing.
func (m Mark) on(name, value string) bool {
	if m.Name == "" || m.Name != name {
		return false
	}
	switch m.Match {
	case Exactly:
		return value == m.Value
	case Contains:
		return m.Value != "" && strings.Contains(value, m.Value)
	case NonEmpty:
		return value != ""
	}
	return false
}

// isVariable is the grammar of names in POSIX.1-2024, Base Definitions 3.216.
func isVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
