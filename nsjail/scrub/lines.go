package scrub

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// lines are files with a name and its value on a line: dotenv files, as shells and Docker read them, and ini files and their kin. A name that
// is commented out counts: its value is as good as another.
type lines struct {
	separators string // between a name and its value
	continued  bool   // an indented line goes on with a value, as in ini files
	strict     bool   // there is nothing else in it: a name that is given a value elsewhere is an error
}

func (l lines) edit(text []byte, of values) ([]byte, int, error) {
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, 0, fmt.Errorf("it is no text")
	}
	var pieces []piece
	seen := 0 // up to where all is done
	for at := 0; at < len(text); {
		name, from := l.name(text, at)
		value, ok := dotted(name, of)
		end, to, quote := lineEnd(text, at), at, ""
		if ok {
			var err error
			if to, quote, err = l.value(text, at, from); err != nil {
				return nil, 0, fmt.Errorf("line %d: %w", 1+bytes.Count(text[:at], []byte("\n")), err)
			}
			pieces = append(pieces, piece{from, to, quote + value + quote})
			end = lineEnd(text, max(to, from))
		}
		comment, isComment := l.comment(text, to, end, of)
		if comment != (piece{}) {
			pieces = append(pieces, comment)
		}
		if ok || isComment {
			if err := l.strays(text, seen, at, of); err != nil {
				return nil, 0, err
			}
			seen = to
		}
		if isComment {
			seen = end
		}
		at = end
	}
	if err := l.strays(text, seen, len(text), of); err != nil {
		return nil, 0, err
	}
	return spliced(text, pieces), len(pieces), nil
}

// comment replaces what a comment, at the end of a line or all of it, says of a name of ours: all that is behind that.
func (l lines) comment(text []byte, from, end int, of values) (_ piece, is bool) {
	rest := bytes.TrimLeft(text[from:end], "\ufeff \t")
	if !l.strict || len(rest) == 0 || rest[0] != '#' && rest[0] != ';' {
		return piece{}, false
	}
	g, ok := nextGiven(text, from, end, of)
	if !ok {
		return piece{}, true
	}
	return piece{g.behind, g.behind + len(bytes.TrimRight(text[g.behind:end], "\r\n")), g.value}, true
}

// strays refuses names of ours that are given values in a part of the text, where none is replaced.
func (l lines) strays(text []byte, from, to int, of values) error {
	if g, ok := nextGiven(text, from, to, of); ok && l.strict {
		return fmt.Errorf("%s has a value in a way that is not known here, in line %d", g.name, 1+bytes.Count(text[:g.at], []byte("\n")))
	}
	return nil
}

// lineEnd is where the line ends that has the byte at, behind its end of line.
func lineEnd(text []byte, at int) int {
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}

// name reads what a line gives a value to, and where that begins; an empty name is none.
func (l lines) name(text []byte, at int) (name string, from int) {
	line := string(text[at:lineEnd(text, at)])
	i := strings.IndexAny(line, l.separators)
	if i < 0 {
		return "", 0
	}
	if strings.HasPrefix(line[i:], ":=") { // as Makefiles have it
		i++
	}
	name = strings.TrimPrefix(strings.TrimLeft(line[:i], "\ufeff \t#;"), "export ")
	name = strings.Trim(strings.TrimRight(name, " \t:?+"), "\"'")
	if strings.ContainsAny(name, " \t$({<") { // no name, but words that stand before one
		return "", 0
	}
	value := strings.TrimLeft(line[i+1:], " \t")
	return name, at + len(line) - len(value)
}

// value finds the end of a value, and how it is quoted. at is where its line begins. A quoted one may have several lines; a comment has one.
func (l lines) value(text []byte, at, from int) (to int, quote string, err error) {
	own := bytes.TrimLeft(text[at:from], "\ufeff \t")
	if len(own) > 0 && (own[0] == '#' || own[0] == ';') {
		return from + len(bytes.TrimRight(text[from:lineEnd(text, from)], "\r\n")), "", nil
	}
	for _, more := range []string{"-----BEGIN", "<<"} {
		if l.strict && bytes.HasPrefix(text[from:], []byte(more)) {
			return 0, "", fmt.Errorf("a value that begins with %s, and ends elsewhere", more)
		}
	}
	if from < len(text) && (text[from] == '"' || text[from] == '\'' || text[from] == '`' && l.strict) {
		if to, err = closing(text, from); err != nil || !l.strict {
			return to, string(text[from]), err
		}
		rest := bytes.TrimLeft(text[to:lineEnd(text, to)], " \t")
		if len(rest) > 0 && bytes.IndexByte([]byte("\r\n#;,})]"), rest[0]) < 0 {
			return 0, "", errors.New("something stands behind a quoted value")
		}
		return to, string(text[from]), nil
	}
	for to = from; ; {
		end := lineEnd(text, to)
		line := bytes.TrimRight(text[to:end], "\r\n")
		indented := indentation(text[min(end, len(text)):]) > indentation(text[at:])
		if end < len(text) && (bytes.HasSuffix(line, []byte(`\`)) || l.continued && indented) {
			to = end
			continue
		}
		to += len(line)
		if l.strict && isOpen(string(text[from:to])) {
			return 0, "", errors.New("a list that ends elsewhere")
		}
		return to, "", nil
	}
}

// isOpen reports whether a value begins with a bracket that it does not close.
func isOpen(value string) bool {
	if !strings.HasPrefix(value, "[") && !strings.HasPrefix(value, "(") && !strings.HasPrefix(value, "{") {
		return false
	}
	count := func(any string) int {
		return len(value) - len(strings.Map(func(r rune) rune {
			if strings.ContainsRune(any, r) {
				return -1
			}
			return r
		}, value))
	}
	return count("[({") > count("])}")
}

// indentation is how many blanks a line begins with; none, if it has nothing else.
func indentation(line []byte) int {
	n := len(line) - len(bytes.TrimLeft(line, " \t"))
	if n == len(line) || line[n] == '\n' || line[n] == '\r' {
		return 0
	}
	return n
}

// closing finds the end of a quoted text: the next quote that no backslash stands before, or, of three, the next three.
func closing(text []byte, from int) (to int, err error) {
	quote := text[from : from+1]
	if triple := bytes.Repeat(quote, 3); bytes.HasPrefix(text[from:], triple) {
		if i := bytes.Index(text[from+3:], triple); i >= 0 {
			return from + 3 + i + 3, nil
		}
		return 0, fmt.Errorf("a quote (%s) that nothing closes", triple)
	}
	for i := from + 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote[0] == '"':
			i++
		case text[i] == quote[0]:
			return i + 1, nil
		}
	}
	return 0, fmt.Errorf("a quote (%s) that nothing closes", quote)
}
