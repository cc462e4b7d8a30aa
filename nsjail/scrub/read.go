package scrub

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"unicode/utf8"

	"forkgate/nsjail/wire"
)

// read tells what is in files of the data, as far as somebody can read it. None is followed to another, and none changes.
func (s *Scrubber) read(ctx context.Context, names [][]byte, step *wire.ScrubStep) error {
	left := wire.MaxTexts
	for _, name := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		text, err := readText(s.places[0].root, string(name), left)
		if err != nil {
			return err
		}
		left -= len(text.Text)
		step.Files++
		step.Bytes += int64(len(text.Text))
		step.Texts = append(step.Texts, text)
	}
	return nil
}

func readText(root *os.Root, name string, left int) (wire.Text, error) {
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || err == nil && !info.Mode().IsRegular():
		return wire.Text{Is: wire.None}, nil
	case err != nil:
		return wire.Text{}, err
	case info.Size() > wire.MaxText:
		return wire.Text{Is: wire.Long}, nil
	case info.Size() > int64(left):
		return wire.Text{Is: wire.Enough}, nil
	}
	f, err := root.Open(name)
	if err != nil {
		return wire.Text{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, info.Size()))
	switch {
	case err != nil:
		return wire.Text{}, err
	case !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
		return wire.Text{Is: wire.Binary}, nil
	}
	return wire.Text{Is: wire.Plain, Text: text}, nil
}
