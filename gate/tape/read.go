package tape

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"filippo.io/age"
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

// NewReader reads the header. Of a recording that is encrypted it is all that can be read without a key: Next fails with ErrSealed. So does it itself,
// returning the header all the same, where none of the keys is right.
func NewReader(from io.Reader, keys ...age.Identity) (*Reader, error) {
	buffered := bufio.NewReader(from)
	r := &Reader{}
	r.scan(buffered)
	first, err := firstLine(buffered)
	if err != nil {
		return nil, err
	}
	if err := r.head(first); err != nil || len(r.Header.Forkgate.Sealed) == 0 {
		return r, err
	}
	r.scan(&pieces{from: buffered, keys: keys})
	if len(keys) == 0 {
		return r, nil
	}
	if !r.lines.Scan() {
		if err := r.lines.Err(); err != nil {
			return r, r.sealed(err)
		}
		return r, nil // it broke off there
	}
	return r, r.sealedHead(r.lines.Bytes())
}

// sealedHead takes the header that was encrypted, if the first line says the same: that one anybody could have written who can write there.
func (r *Reader) sealedHead(line []byte) error {
	claimed := r.Header.Forkgate
	r.Header = Header{}
	if err := r.head(line); err != nil {
		return err
	}
	if !reflect.DeepEqual(claimed, r.Header.Forkgate) {
		return fmt.Errorf("%w: its first line says session %.40q of %.40q in %.40q, and what is encrypted %.40q of %.40q in %.40q", ErrForged,
			claimed.Session, claimed.Principal, claimed.Ref, r.Header.Forkgate.Session, r.Header.Forkgate.Principal, r.Header.Forkgate.Ref)
	}
	return nil
}

// ErrForged says that a recording is not the one that was made under its first line.
var ErrForged = errors.New("the recording was changed")

// sealed says for whom a recording is.
func (r *Reader) sealed(err error) error {
	if errors.Is(err, ErrSealed) {
		return fmt.Errorf("%w: it is to %s", ErrSealed, strings.Join(r.Header.Forkgate.Sealed, ", "))
	}
	return fmt.Errorf("cannot read the recording: %w", err)
}

func (r *Reader) scan(from io.Reader) {
	r.lines, r.number = bufio.NewScanner(from), 1
	r.lines.Buffer(nil, maxLine)
}

func (r *Reader) head(line []byte) error {
	if err := json.Unmarshal(line, &r.Header); err != nil || r.Header.Version != 2 {
		return fmt.Errorf("this is no recording (asciicast v2): %w", errors.Join(err, errors.ErrUnsupported))
	}
	return nil
}

// firstLine reads it and not a byte more: what follows need be no lines.
func firstLine(from *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := from.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case len(line) == 0:
			return nil, errors.New("the recording is empty")
		case !errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLine:
			return nil, fmt.Errorf("this is no recording (asciicast v2): its first line has no end: %w", err)
		}
	}
}

// Next reads the next event. At the end, and at half a line, which is where a recording broke off, it is io.EOF.
func (r *Reader) Next() (Event, error) {
	if !r.lines.Scan() {
		if err := r.lines.Err(); err != nil {
			return Event{}, r.sealed(err)
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
