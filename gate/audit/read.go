package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
)

// Line is one line of the log, with its place.
type Line struct {
	File   string // its name
	Number int    // from 1
	Raw    []byte // without the newline
	Entry  Entry  // zero: it is none
	Whole  bool   // it ends in a newline
}

// Place is FILE:LINE.
func (l Line) Place() string { return fmt.Sprintf("%s:%d", l.File, l.Number) }

// Lines reads all of a log, the oldest line first. What goes wrong comes last.
func Lines(dir string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		all, err := numbers(dir)
		if err != nil {
			yield(Line{}, err)
			return
		}
		for _, n := range all {
			if !linesOf(dir, fileName(n), yield) {
				return
			}
		}
	}
}

func linesOf(dir, name string, yield func(Line, error) bool) (goOn bool) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return yield(Line{}, fmt.Errorf("cannot read the audit log: %w", err))
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 256<<10)
	for number := 1; ; number++ {
		raw, err := readLine(in)
		if len(raw) == 0 && errors.Is(err, io.EOF) {
			return true
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return yield(Line{}, fmt.Errorf("cannot read the audit log, %s:%d: %w", name, number, err))
		}
		text := bytes.TrimSuffix(raw, []byte{'\n'})
		if !yield(Line{File: name, Number: number, Raw: text, Entry: parse(text), Whole: err == nil}, nil) {
			return false
		}
	}
}

// errLong says that nobody of ours wrote that.
var errLong = fmt.Errorf("a line of more than %d MiB", maxLine>>20)

func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, errLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}
