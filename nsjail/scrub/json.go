package scrub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// editJSON replaces the values of names at whatever depth, by texts, and leaves all else byte for byte. What is no JSON is an error.
func editJSON(text []byte, of values) ([]byte, int, error) {
	mark := len(text) - len(bytes.TrimPrefix(text, []byte("\ufeff")))
	head := text[:mark:mark]
	text = text[mark:]
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	e := jsonEditor{d, text, of, nil, false}
	for {
		if err := e.value(); errors.Is(err, io.EOF) {
			slices.SortFunc(e.pieces, func(a, b piece) int { return a.from - b.from })
			return append(head, spliced(text, e.pieces)...), len(e.pieces), nil
		} else if err != nil && !speaksOf(text, of) { // nothing in it is ours to change
			return append(head, text...), 0, nil
		} else if err != nil {
			return nil, 0, fmt.Errorf("it is no JSON: %w", err)
		}
	}
}

type jsonEditor struct {
	*json.Decoder
	text   []byte
	of     values
	pieces []piece
	plain  bool // what comes is a list of a command's words
}

// value reads one, with all that is in it.
func (e *jsonEditor) value() error {
	if rest := bytes.TrimLeft(e.text[e.InputOffset():], " \t\r\n,:"); len(rest) > 0 && rest[0] == '"' {
		return e.string(false)
	}
	token, err := e.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		var o jsonObject
		for e.More() && err == nil {
			err = e.member(&o)
		}
		if err == nil {
			err = e.byName(o)
		}
	case json.Delim('['):
		plain := e.plain
		e.plain = false
		for e.More() && err == nil {
			err = inside(e.element(plain))
		}
	default:
		return nil
	}
	if err == nil {
		_, err = e.Token() // its end
	}
	return inside(err)
}

// element reads one of an array. A text NAME=VALUE is a name with its value there, as where environments are lists.
func (e *jsonEditor) element(plain bool) error {
	if rest := bytes.TrimLeft(e.text[e.InputOffset():], " \t\r\n,"); len(rest) > 0 && rest[0] == '"' {
		return e.string(!plain)
	}
	return e.value()
}

// string reads a text, which may be a whole file.
func (e *jsonEditor) string(listed bool) error {
	var was json.RawMessage
	if err := e.Decode(&was); err != nil {
		return err
	}
	var text string
	if err := json.Unmarshal(was, &text); err != nil {
		return err
	}
	if name, _, ok := strings.Cut(text, "="); ok && listed {
		if value, ok := e.of(name); ok {
			return e.put(name+"="+value, was)
		}
	}
	edited, n, err := editWithin(text, e.of)
	if err != nil {
		return fmt.Errorf("in a text: %w", err)
	}
	if n > 0 {
		return e.put(edited, was)
	}
	return nil
}

// jsonObject is what is known of {"name": NAME, "value": VALUE} before it ends.
type jsonObject struct {
	name   string
	values []piece // JSON may say it twice
}

// byName has the value of a name that stands beside it replaced.
func (e *jsonEditor) byName(o jsonObject) error {
	value, ok := dotted(o.name, e.of)
	if !ok {
		return nil
	}
	quoted, err := json.Marshal(value)
	for _, v := range o.values {
		e.pieces = slices.DeleteFunc(e.pieces, func(p piece) bool { return v.from <= p.from && p.to <= v.to }) // what was replaced in it
		e.pieces = append(e.pieces, piece{v.from, v.to, string(quoted)})
	}
	return err
}

// put has a text take the place of what was read last.
func (e *jsonEditor) put(text string, was json.RawMessage) error {
	quoted, err := json.Marshal(text)
	end := int(e.InputOffset())
	e.pieces = append(e.pieces, piece{end - len(was), end, string(quoted)})
	return err
}

func (e *jsonEditor) member(o *jsonObject) error {
	name, err := e.Token()
	if err != nil {
		return inside(err)
	}
	value, ok := dotted(fmt.Sprint(name), e.of)
	if !ok {
		from := int(e.InputOffset())
		e.plain = slices.Contains(commands, fmt.Sprint(name))
		if err := e.value(); err != nil {
			return inside(err)
		}
		was := e.text[from:e.InputOffset()]
		from += len(was) - len(bytes.TrimLeft(was, " \t\r\n:"))
		switch name {
		case "name":
			_ = json.Unmarshal(e.text[from:e.InputOffset()], &o.name) // which may be no text
		case "value":
			o.values = append(o.values, piece{from: from, to: int(e.InputOffset())})
		}
		return nil
	}
	var was json.RawMessage
	if err := e.Decode(&was); err != nil {
		return inside(err)
	}
	return e.put(value, was)
}

// inside makes of the end of the text, where something is still to come, an error like others.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
