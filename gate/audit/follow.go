package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Reader reads a log that is being written.
type Reader struct {
	dir    string
	number int // of the file
	offset int64
	lines  int // read of the file
}

// NewReader begins with the file before the newest, if there is one.
func NewReader(dir string) (*Reader, error) {
	all, err := numbers(dir)
	if err != nil {
		return nil, err
	}
	r := &Reader{dir: dir, number: 1}
	if len(all) > 0 {
		r.number = all[max(0, len(all)-2)]
	}
	return r, nil
}

// Read returns what has come since the last Read. Half a line waits for its end.
func (r *Reader) Read() (lines []Line, err error) {
	for {
		more, err := r.readFile()
		lines = append(lines, more...)
		if err != nil {
			return lines, err
		}
		all, err := numbers(r.dir)
		if err != nil {
			return lines, err
		}
		at := slices.IndexFunc(all, func(n int) bool { return n > r.number })
		if at < 0 {
			return lines, nil
		}
		r.number, r.offset, r.lines = all[at], 0, 0
	}
}

func (r *Reader) readFile() (lines []Line, err error) {
	f, err := os.Open(filepath.Join(r.dir, fileName(r.number)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the audit log: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(r.offset, io.SeekStart); err != nil {
		return nil, fmt.Errorf("cannot read the audit log: %w", err)
	}
	for in := bufio.NewReaderSize(f, 256<<10); ; {
		raw, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, fmt.Errorf("cannot read the audit log: %w", err)
		}
		r.offset += int64(len(raw))
		r.lines++
		text := raw[:len(raw)-1]
		lines = append(lines, Line{File: fileName(r.number), Number: r.lines, Raw: text, Entry: parse(text), Whole: true})
	}
}
