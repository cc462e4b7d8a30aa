package scrub

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"forkgate/nsjail/scrub/leaks"
	"forkgate/nsjail/wire"
)

const (
	// pieceSize is how much of a file is searched at once, and pieceOverlap how much of each piece the next begins with: no credential is longer.
	pieceSize    = 1 << 20
	pieceOverlap = 16 << 10
	// maxFound and maxFoundBytes bound the report, which is one message.
	maxFound      = 2000
	maxFoundBytes = wire.MaxLarge / 4
	// sniffed is how much of a file tells whether it is text, as git does it.
	sniffed = 8000
)

// search looks for credentials in the files that a rule is about.
func (s *Scrubber) search(ctx context.Context, rule wire.Scrub, step *wire.ScrubStep) error {
	finder, err := leaks.New(rule.Ignore)
	if err != nil {
		return err
	}
	r := &report{step: step}
	group, searching := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, p := range s.places {
		names, err := p.find(p.globs(rule))
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		for _, name := range names {
			if searching.Err() != nil {
				break
			}
			group.Go(func() error { return r.look(searching, finder, p, rule.Leaks, name) })
		}
	}
	if err := errors.Join(group.Wait(), context.Cause(ctx)); err != nil {
		return err
	}
	slices.SortFunc(step.Found, func(a, b wire.Leak) int {
		return cmp.Or(strings.Compare(a.Place, b.Place), strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Kind, b.Kind))
	})
	if rule.Leaks == wire.Refuse && step.Total > 0 {
		return errors.New(r.summary())
	}
	return nil
}

// report gathers what was found. Several goroutines find.
type report struct {
	sync.Mutex
	step  *wire.ScrubStep
	bytes int // of what step.Found holds
}

// look searches one file. Links lead to what is searched under its own name, or out of the copy.
func (r *report) look(ctx context.Context, finder *leaks.Finder, p place, then, name string) error {
	info, err := p.root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	f, err := p.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	found, binary, err := pieces(ctx, f, finder)
	if err != nil {
		return fmt.Errorf("%s: %q: %w", p.name, name, err)
	}
	r.add(p.name, name, info.Size(), found)
	if then != wire.Redact || len(found) == 0 || p.name == "images" {
		return nil
	}
	if binary {
		return fmt.Errorf("%s: %q: a %s is in it, and it is no text in which that could be written over", p.name, name, found[0].Kind)
	}
	return redact(p.root, name, found)
}

// pieces searches a file piece by piece.
func pieces(ctx context.Context, f io.Reader, finder *leaks.Finder) (found []leaks.Leak, binary bool, err error) {
	piece := make([]byte, 0, pieceSize)
	line := 0 // how many are before the piece
	seen, first := map[leaks.Leak]bool{}, true
	for {
		n, err := io.ReadFull(f, piece[len(piece):pieceSize])
		piece = piece[:len(piece)+n]
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return found, binary, err
		}
		if ctx.Err() != nil {
			return found, binary, context.Cause(ctx)
		}
		if first {
			binary = bytes.IndexByte(piece[:min(len(piece), sniffed)], 0) >= 0
			first = false
		}
		text := piece
		if binary {
			text = leaks.Printable(piece)
		}
		for _, leak := range finder.Find(text) {
			leak.Line += line
			if binary {
				leak.Line = 0
			}
			if !seen[leak] {
				seen[leak] = true
				found = append(found, leak)
			}
		}
		if err != nil { // it ends here
			return found, binary, nil
		}
		rest := piece[len(piece)-pieceOverlap:]
		line += bytes.Count(piece[:len(piece)-pieceOverlap], []byte("\n"))
		piece = append(piece[:0], rest...)
	}
}

func (r *report) add(place, name string, size int64, found []leaks.Leak) {
	r.Lock()
	defer r.Unlock()
	r.step.Files++
	r.step.Bytes += size
	r.step.Total += len(found)
	listed := map[wire.Leak]bool{}
	for _, leak := range found {
		one := wire.Leak{Place: place, File: strings.ToValidUTF8(name, "\ufffd"), Line: leak.Line, Kind: leak.Kind}
		if listed[one] || len(r.step.Found) >= maxFound {
			continue // it reads the same, or there is no room
		}
		listed[one] = true
		if r.bytes += len(one.File)*6 + 100; r.bytes < maxFoundBytes {
			r.step.Found = append(r.step.Found, one)
		}
	}
}

// summary names the first of what was found.
func (r *report) summary() string {
	const shown = 3
	var some []string
	for _, one := range r.step.Found[:min(shown, len(r.step.Found))] {
		some = append(some, fmt.Sprintf("%s in %s %q, line %d", one.Kind, one.Place, one.File, one.Line))
	}
	more := ""
	if n := r.step.Total - len(some); n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	return "credentials are in it: " + strings.Join(some, ", ") + more
}

// redact writes over what was found in a text, with as many bytes: wherever in the file the value stands.
func redact(root *os.Root, name string, found []leaks.Leak) error {
	info, err := root.Stat(name)
	if err != nil {
		return err
	}
	if info.Size() > maxFile {
		return fmt.Errorf("%q has %d bytes, more than a file has in which something is written over", name, info.Size())
	}
	text, err := root.ReadFile(name)
	if err != nil {
		return err
	}
	for _, leak := range found {
		writeOver(text, []byte(leak.Value))
	}
	return truncate(root, name, text)
}

// writeOver puts x in the place of a value. One that is short is part of words as well, which stay.
func writeOver(text, value []byte) {
	const short = 8
	isWord := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] == '_' || '0' <= text[i] && text[i] <= '9' || 'a' <= text[i]|0x20 && text[i]|0x20 <= 'z')
	}
	for from := 0; len(value) > 0; {
		at := bytes.Index(text[from:], value)
		if at < 0 {
			return
		}
		at, from = from+at, from+at+len(value)
		if len(value) >= short || !isWord(at-1) && !isWord(from) {
			copy(text[at:from], bytes.Repeat([]byte("x"), len(value)))
		}
	}
}
