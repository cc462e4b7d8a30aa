package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Index finds the lines of a session without reading the whole log for each. It keeps where they are, and not what they say. Its methods
// may be called at the same time.
type Index struct {
	dir string

	mu     sync.Mutex
	number int // of the file that is being read
	offset int64
	line   int
	at     map[string][]place       // by session, and by grantKey
	took   map[string]time.Duration // of sessions that are over
}

// place is where a line is: offset and length are bytes, without the newline.
type place struct {
	number, line, length int
	offset               int64
}

// NewIndex is an index of the log in a directory. It has read nothing yet.
func NewIndex(dir string) *Index {
	return &Index{dir: dir, number: -1, at: map[string][]place{}, took: map[string]time.Duration{}}
}

// grantKey keeps what became of a grant apart from sessions, whose names have no space.
func grantKey(grant string) string { return "grant " + grant }

// Read takes in what has come since the last Read. Half a line waits for its end.
func (x *Index) Read() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	all, err := numbers(x.dir)
	if err != nil {
		return err
	}
	for _, n := range all {
		if n < x.number {
			continue
		}
		if n > x.number {
			x.number, x.offset, x.line = n, 0, 0
		}
		if err := x.readFile(); err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) readFile() error {
	f, err := os.Open(filepath.Join(x.dir, fileName(x.number)))
	if err != nil {
		return fmt.Errorf("cannot read the audit log: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(x.offset, io.SeekStart); err != nil {
		return fmt.Errorf("cannot read the audit log: %w", err)
	}
	for in := bufio.NewReaderSize(f, 256<<10); ; {
		raw, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read the audit log, %s:%d: %w", fileName(x.number), x.line+1, err)
		}
		x.line++
		x.add(raw, place{x.number, x.line, len(raw) - 1, x.offset})
		x.offset += int64(len(raw))
	}
}

// add keeps where a line is. Most lines need not be parsed for that.
func (x *Index) add(raw []byte, p place) {
	event, session := field(raw, "event"), field(raw, "session")
	if session != "" {
		x.at[session] = append(x.at[session], p)
	}
	switch event {
	case EventGrant:
		key := grantKey(field(raw, "grant"))
		x.at[key] = append(x.at[key], p)
	case EventEnded:
		if took, err := time.ParseDuration(parse(raw).Took); err == nil {
			x.took[session] = took
		}
	}
}

// field is the value of a field that is a plain word. Within a string a quotation mark is escaped, so that none passes for a field.
func field(raw []byte, name string) string {
	_, rest, found := bytes.Cut(raw, []byte(`"`+name+`":"`))
	if !found {
		return ""
	}
	value, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(value)
}

// Took is how long a session lasted, if it is over and the log has its end.
func (x *Index) Took(session string) (time.Duration, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	took, ok := x.took[session]
	return took, ok
}

// Of reads the lines of a session, and what became of the grant that it came by, the oldest first. Files that are no longer there are
// left out.
func (x *Index) Of(session string) (lines []Line, err error) {
	all := x.places(session)
	grants, seen := map[string]bool{}, map[place]bool{}
	for i := 0; i < len(all); i++ {
		if seen[all[i]] {
			continue
		}
		seen[all[i]] = true
		l, err := x.read(all[i])
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
		if g := l.Entry.Grant; g != "" && !grants[g] {
			grants[g] = true
			all = append(all, x.places(grantKey(g))...)
		}
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return a.Entry.Time.Compare(b.Entry.Time) })
	return lines, nil
}

func (x *Index) places(key string) []place {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.at[key])
}

func (x *Index) read(p place) (Line, error) {
	name := fileName(p.number)
	f, err := os.Open(filepath.Join(x.dir, name))
	if err != nil {
		return Line{}, err
	}
	defer f.Close()
	raw := make([]byte, p.length)
	if _, err := f.ReadAt(raw, p.offset); err != nil {
		return Line{}, fmt.Errorf("cannot read the audit log, %s:%d: %w", name, p.line, err)
	}
	return Line{File: name, Number: p.line, Raw: raw, Entry: parse(raw), Whole: true}, nil
}
