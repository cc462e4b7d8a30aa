package tape

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Event is one line behind the header.
type Event struct {
	At   time.Duration // since the beginning
	Code string
	Data string
}

// maxLine bounds a line: a door writes what it reads at once, 128 KiB, which grows when it is escaped.
const maxLine = 4 << 20

// Reader reads a recording.
type Reader struct {
	Header Header
	lines  *bufio.Scanner
	number int
}

// NewReader reads the header.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{lines: bufio.NewScanner(from)}
	r.lines.Buffer(nil, maxLine)
	if !r.lines.Scan() {
		return nil, errors.Join(errors.New("the recording is empty"), r.lines.Err())
	}
	r.number = 1
	if err := json.Unmarshal(r.lines.Bytes(), &r.Header); err != nil || r.Header.Version != 2 {
		return nil, fmt.Errorf("this is no recording (asciicast v2): %w", errors.Join(err, errors.ErrUnsupported))
	}
	return r, nil
}

// Next reads the next event. At the end, and at half a line, which is where a recording broke off, it is io.EOF.
func (r *Reader) Next() (Event, error) {
	if !r.lines.Scan() {
		if err := r.lines.Err(); err != nil {
			return Event{}, fmt.Errorf("cannot read the recording: %w", err)
		}
		return Event{}, io.EOF
	}
	r.number++
	var e Event
	var seconds float64
	raw := [3]any{&seconds, &e.Code, &e.Data}
	to := raw[:]
	if err := json.Unmarshal(r.lines.Bytes(), &to); err != nil {
		if !r.lines.Scan() {
			return Event{}, io.EOF
		}
		return Event{}, fmt.Errorf("line %d of the recording is no event: %w", r.number, err)
	}
	e.At = time.Duration(seconds * float64(time.Second))
	return e, nil
}
