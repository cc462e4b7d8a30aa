package scrub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// given is how names are given values in whatever language, up to the sign: NAME=VALUE, NAME+=VALUE, ${NAME:-VALUE}, "NAME": VALUE, {NAME: VALUE}.
var given = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.-]*)(\\*["'\])])*[ \t]*([+?:]?=|:[-?+])|([A-Za-z_][A-Za-z0-9_.-]*)\\*["'][ \t]*:|[{,][ \t]*([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*:`)

// gift is a name of ours that is given a value somewhere in a text.
type gift struct {
	name, value string
	at, behind  int  // where the name begins, and the sign ends
	apart       bool // blanks stand before the sign
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
		if value, ok := dotted(g.name, of); ok && g.gives(text, to) {
			sign := bytes.TrimRight(text[g.at+len(g.name):g.behind], "+?:=-")
			g.value, g.apart = value, bytes.HasSuffix(sign, []byte(" ")) || bytes.HasSuffix(sign, []byte("\t"))
			return g, true
		}
	}
	return gift{}, false
}

// gives reports whether there is a value at all: not where a name is compared, as in [ "$NAME" = x ] and NAME == x, nor where one that is missing is
// complained about, or is nothing, as in ${NAME:?why} and ${NAME:-}; nor where the value is only another's name.
func (g gift) gives(text []byte, to int) bool {
	rest := text[g.behind:to] // which may be most of a large file, and is not copied for each name in it
	before := string(text[max(0, g.at-2):g.at])
	switch {
	case bytes.HasPrefix(rest, []byte("=")) && text[g.behind-1] == '=':
		return false
	case strings.HasSuffix(before, "${"):
		how := bytes.TrimLeft(text[g.at+len(g.name):to], ":")
		return !bytes.HasPrefix(how, []byte("?")) && !bytes.HasPrefix(how, []byte("+")) && !bytes.HasPrefix(how, []byte("-}"))
	case strings.HasSuffix(before, "$"):
		return false
	}
	return !reference.Match(bytes.TrimLeft(rest, " \t"))
}

// reference is a value that is another's: $NAME, ${NAME}, ${{ NAME }}.
var reference = regexp.MustCompile(`^["']?\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\}|\{\{[^{}]*\}\})["']?(?:[\s;&|)]|$)`)

// dotted is what a name gets by its last part: a.NAME, a[NAME], //host/:NAME, NAME[]; or by all of it.
func dotted(name string, of values) (value string, ok bool) {
	name = strings.TrimRight(name, "[]")
	last := strings.Trim(name[strings.LastIndexAny(name, ".[:/")+1:], "\"'")
	if last != "" {
		value, ok = of(last)
	}
	if !ok && name != "" && name != last {
		value, ok = of(name)
	}
	return value, ok
}

// speaksOf reports whether a name of ours stands anywhere in a text.
func speaksOf(text []byte, of values) bool {
	for _, word := range words.FindAll(text, -1) {
		if _, ok := dotted(string(word), of); ok {
			return true
		}
	}
	return false
}

var words = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_.-]*`)

// within is a dotenv file, and texts in other files that may be one.
var within = lines{separators: "=:", strict: true}

// editWithin replaces values in a text that is a value itself: a whole file, or a line in which words give names their values, as commands do.
func editWithin(text string, of values) (string, int, error) {
	begins := strings.TrimSpace(text)
	edit := within.edit
	switch _, ok := nextGiven([]byte(text), 0, len(text), of); {
	case begins != "" && (begins[0] == '{' || begins[0] == '[') && json.Valid([]byte(text)):
		edit = editJSON
	case !ok && !strings.Contains(text, "\n"):
		return text, 0, nil
	case !strings.Contains(text, "\n"):
		edit = editWords
	case isMapping(text):
		edit = editYAML
	}
	edited, n, err := edit([]byte(text), of)
	if err != nil && strings.Contains(begins, "\n") { // a script may be: what is no settings file, and has commands on its lines
		edited, n, err = editWords([]byte(text), of)
	}
	return string(edited), n, err
}

// isMapping reports whether a text is YAML, all of it, that begins with names.
func isMapping(text string) bool {
	d := yaml.NewDecoder(strings.NewReader(text))
	for first := true; ; first = false {
		var node yaml.Node
		switch err := d.Decode(&node); {
		case errors.Is(err, io.EOF):
			return !first
		case err != nil || first && (len(node.Content) != 1 || node.Content[0].Kind != yaml.MappingNode):
			return false
		}
	}
}

// connection is what databases are reached by: NAME=VALUE;NAME=VALUE.
var connection = regexp.MustCompile(`^\s*[\w .]+=[^;\n]*(?:;\s*[\w .]+=[^;\n]*)+;?\s*$`)

// editWords replaces words of the shell's that are given to names: in "env NAME=VALUE command" that one.
func editWords(text []byte, of values) ([]byte, int, error) {
	var pieces []piece
	inConnection := connection.Match(text)
	for at := 0; ; {
		g, ok := nextGiven(text, at, len(text), of)
		if !ok {
			return spliced(text, pieces), len(pieces), nil
		}
		p := piece{from: g.behind}
		if g.apart {
			p.from += len(text[g.behind:]) - len(bytes.TrimLeft(text[g.behind:], " \t"))
		}
		quote, err := "", error(nil)
		if inConnection {
			p.to = p.from + len(bytes.TrimSpace(text[p.from:upTo(text, p.from, ";")]))
		} else if p.to, quote, err = word(text, p.from, text[g.behind-1]); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", g.name, err)
		}
		p.text = quote + g.value + quote
		pieces, at = append(pieces, p), max(p.to, g.behind)
	}
}

// upTo is where the first of some bytes stands, or the end.
func upTo(text []byte, from int, any string) int {
	if i := bytes.IndexAny(text[from:], any); i >= 0 {
		return from + i
	}
	return len(text)
}

var errUnknown = errors.New("it has a value in a way that is not known here")

// word finds the end of a word behind a sign, and how it is quoted.
func word(text []byte, from int, sign byte) (to int, quote string, err error) {
	rest := text[from:]
	const ends = " \t\r\n"
	switch {
	case sign != '=' || len(rest) > 0 && bytes.IndexByte([]byte(">~$`"), rest[0]) >= 0:
		return 0, "", errUnknown
	case bytes.HasPrefix(rest, []byte(`\"`)):
		quote = `\"`
		i := bytes.Index(rest[2:], []byte(quote))
		if i < 0 {
			return 0, "", errUnknown
		}
		to = from + 2 + i + 2
	case len(rest) > 0 && (rest[0] == '"' || rest[0] == '\''):
		quote = string(rest[:1])
		if to, err = closing(text, from); err != nil {
			return 0, "", err
		}
	default:
		for to = from; to < len(text) && bytes.IndexByte([]byte(ends+"\"';&|)<>`"), text[to]) < 0; to++ {
			if text[to] == '\\' {
				return 0, "", errUnknown
			}
		}
	}
	next := text[to:]
	switch {
	case len(next) == 0 || bytes.IndexByte([]byte(ends+";"), next[0]) >= 0:
		return to, quote, nil
	case len(next) == 1 || bytes.IndexByte([]byte(ends+";)"), next[1]) >= 0 || next[1] == next[0] && next[0] != '"' && next[0] != '\'', strings.ContainsAny(string(next[1:2]), "\"'&|"):
		return to, quote, nil // what is around it ends with it
	}
	return 0, "", errUnknown
}
