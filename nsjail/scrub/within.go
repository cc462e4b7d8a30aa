package scrub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// given is how names are given values in whatever language, up to the sign: NAME=VALUE, NAME+=VALUE, ${NAME:-VALUE}, "NAME": VALUE, {NAME: VALUE}.
var given = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.-]*)(\\*["'\])])*[ \t]*([+?:]?=|:[-?+])|([A-Za-z_][A-Za-z0-9_.-]*)\\*["'][ \t]*:|[{,][ \t]*([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*:`)

// gift is a name of ours that is given a value somewhere in a text.
type gift struct {
	name, value string
	at, behind  int // where the name begins, and the sign ends
}

// nextGiven finds the first in a part of a text.
func nextGiven(text []byte, from, to int, of values) (gift, bool) {
	for from < to {
		m := given.FindSubmatchIndex(text[from:to])
		if m == nil {
			return gift{}, false
		}
		begin, end := max(m[2], m[8], m[10]), max(m[3], m[9], m[11])
		g := gift{name: string(text[from+begin : from+end]), at: from + begin, behind: from + m[1]}
		from = g.behind
		compared := text[g.behind-1] == '=' && g.behind < to && text[g.behind] == '='
		if value, ok := dotted(g.name, of); ok && !compared {
			g.value = value
			return g, true
		}
	}
	return gift{}, false
}

// dotted is what a name gets, or the last part of one: a.NAME, NAME[].
func dotted(name string, of values) (value string, ok bool) {
	name = strings.TrimRight(name, "[]")
	if name == "" {
		return "", false
	}
	if value, ok = of(name); !ok {
		value, ok = of(strings.Trim(name[strings.LastIndexByte(name, '.')+1:], "\"'"))
	}
	return value, ok
}

// within is a dotenv file, and texts in other files that may be one.
var within = lines{separators: "=:", strict: true}

// editWithin replaces values in a text that is a value itself: a whole file, or a line in which words give names their values, as commands do.
func editWithin(text string, of values) (string, int, error) {
	if _, ok := nextGiven([]byte(text), 0, len(text), of); !ok && !strings.Contains(text, "\n") {
		return text, 0, nil
	}
	edit := within.edit
	switch {
	case json.Valid([]byte(text)):
		edit = editJSON
	case !strings.Contains(text, "\n"):
		edit = editWords
	case isMapping(text):
		edit = editYAML
	}
	edited, n, err := edit([]byte(text), of)
	return string(edited), n, err
}

// isMapping reports whether a text is YAML with names in it.
func isMapping(text string) bool {
	var node yaml.Node
	return yaml.Unmarshal([]byte(text), &node) == nil && len(node.Content) == 1 && node.Content[0].Kind == yaml.MappingNode
}

// editWords replaces words of the shell's that are given to names: in "env NAME=VALUE command" that one.
func editWords(text []byte, of values) ([]byte, int, error) {
	var pieces []piece
	for at := 0; ; {
		g, ok := nextGiven(text, at, len(text), of)
		if !ok {
			return spliced(text, pieces), len(pieces), nil
		}
		end, quote := g.behind, ""
		switch {
		case text[g.behind-1] != '=':
			return nil, 0, fmt.Errorf("%s has a value in a way that is not known here", g.name)
		case end < len(text) && (text[end] == '"' || text[end] == '\''):
			var err error
			if end, err = closing(text, end); err != nil {
				return nil, 0, err
			}
			quote = string(text[g.behind])
		default:
			for end < len(text) && bytes.IndexByte([]byte(" \t\"';&|)<>`"), text[end]) < 0 {
				end++
			}
		}
		if end < len(text) && quote != "" && bytes.IndexByte([]byte(" \t;&|)<>`\"'"), text[end]) < 0 {
			return nil, 0, errors.New("something stands behind a quoted value")
		}
		pieces = append(pieces, piece{g.behind, end, quote + g.value + quote})
		at = end
	}
}
