package scrub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// editJSON replaces the values of names at whatever depth, by texts, and leaves all else byte for byte. What is no JSON is an error.
func editJSON(text []byte, of values) ([]byte, int, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	e := jsonEditor{d, text, of, nil}
	for {
		if err := e.value(); errors.Is(err, io.EOF) {
			return spliced(text, e.pieces), len(e.pieces), nil
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
}

// value reads one, with all that is in it.
func (e *jsonEditor) value() error {
	token, err := e.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		for e.More() && err == nil {
			err = e.member()
		}
	case json.Delim('['):
		for e.More() && err == nil {
			err = inside(e.element())
		}
	default:
		return nil
	}
	if err == nil {
		_, err = e.Token() // its end
	}
	return inside(err)
}

// element reads one of an array. A text NAME=VALUE is a name with its value, as where environments are lists.
func (e *jsonEditor) element() error {
	if rest := bytes.TrimLeft(e.text[e.InputOffset():], " \t\r\n,"); len(rest) == 0 || rest[0] != '"' {
		return e.value()
	}
	var was json.RawMessage
	if err := e.Decode(&was); err != nil {
		return err
	}
	var text string
	if err := json.Unmarshal(was, &text); err != nil {
		return err
	}
	if name, _, ok := strings.Cut(text, "="); ok {
		if value, ok := e.of(name); ok {
			return e.put(name+"="+value, was)
		}
	}
	return nil
}

// put has a text take the place of what was read last.
func (e *jsonEditor) put(text string, was json.RawMessage) error {
	quoted, err := json.Marshal(text)
	end := int(e.InputOffset())
	e.pieces = append(e.pieces, piece{end - len(was), end, string(quoted)})
	return err
}

func (e *jsonEditor) member() error {
	name, err := e.Token()
	if err != nil {
		return inside(err)
	}
	value, ok := e.of(fmt.Sprint(name))
	if !ok {
		return inside(e.value())
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
