package scrub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// read tells what is in files of the data, as far as somebody can read it. No link is followed, not even to a directory on the way, and none changes.
func (s *Scrubber) read(ctx context.Context, names [][]byte, step *wire.ScrubStep) error {
	dir, err := s.places[0].root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	left := wire.MaxTexts
	for _, name := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		text, err := readText(dir, string(name), left)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		left -= len(text.Text)
		step.Files++
		step.Bytes += int64(len(text.Text))
		step.Texts = append(step.Texts, text)
	}
	return nil
}

// none are what opening comes to where there is no file of that name: nothing, a link on the way or at its end, a file on the way, a socket.
var none = []error{unix.ENOENT, unix.ELOOP, unix.ENOTDIR, unix.EXDEV, unix.ENXIO}

func readText(dir *os.File, name string, left int) (wire.Text, error) {
	// It waits for nobody: what is opened may be a pipe.
	fd, err := unix.Openat2(int(dir.Fd()), name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if slices.ContainsFunc(none, func(is error) bool { return errors.Is(err, is) }) {
		return wire.Text{Is: wire.None}, nil
	}
	if err != nil {
		return wire.Text{}, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return wire.Text{}, err
	case !info.Mode().IsRegular():
		return wire.Text{Is: wire.None}, nil
	case info.Size() > wire.MaxText:
		return wire.Text{Is: wire.Long}, nil
	case info.Size() > int64(left):
		return wire.Text{Is: wire.Enough}, nil
	}
	text, err := io.ReadAll(io.LimitReader(f, info.Size()))
	switch {
	case err != nil:
		return wire.Text{}, err
	case !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
		return wire.Text{Is: wire.Binary}, nil
	}
	return wire.Text{Is: wire.Plain, Text: text}, nil
}
