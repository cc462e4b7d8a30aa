package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"forkgate/gate"
)

// proposals takes what is proposed.
type proposals struct{}

func (proposals) Ask(_ context.Context, _, proposed string) (string, error) { return proposed, nil }
func (proposals) Confirm(_ context.Context, _ string, proposed bool) (bool, error) {
	return proposed, nil
}
func (proposals) Wrong(why error) error { return why }

// terminal asks whoever sits there.
type terminal struct {
	in   *os.File
	rest []byte // read, and not yet an answer
	out  io.Writer
}

var errNobody = errors.New("setup asks questions, and nobody is there to answer: run it on a terminal, or with --yes")

// errEnded is told at a terminal, where ^D ends what is typed.
var errEnded = errors.New("the input has ended, and setup with it: nothing was done")

func newTerminal(in *os.File, out io.Writer) (*terminal, error) {
	if !term.IsTerminal(int(in.Fd())) {
		return nil, errNobody
	}
	return &terminal{in: in, out: out}, nil
}

func (t *terminal) Ask(ctx context.Context, question, proposed string) (string, error) {
	if proposed != "" {
		question += " [" + proposed + "]"
	}
	fmt.Fprintf(t.out, "%s: ", question)
	line, err := t.line(ctx)
	if err != nil {
		fmt.Fprintln(t.out) // what is said of it stands on a line of its own
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		return proposed, nil
	}
	return line, nil
}

// line is the next line that is typed.
func (t *terminal) line(ctx context.Context) (string, error) {
	for {
		if line, rest, whole := bytes.Cut(t.rest, []byte("\n")); whole {
			t.rest = rest
			return string(line), nil
		}
		if err := readable(ctx, t.in); err != nil {
			return "", err
		}
		var chunk [4096]byte // a terminal has no longer lines (termios(3))
		n, err := t.in.Read(chunk[:])
		t.rest = append(t.rest, chunk[:n]...)
		if err != nil {
			return "", errEnded
		}
	}
}

// readable waits until there is something to read. Nothing but a signal ends a read(2) of a terminal, and Go goes on with it then; so who interrupts is looked for
// now and then.
func readable(ctx context.Context, in *os.File) error {
	const often = 50 // milliseconds
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}}, often)
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		case n > 0:
			return nil
		}
	}
}

// Wrong has setup ask again: who sits there can say something else.
func (t *terminal) Wrong(why error) error {
	_, err := fmt.Fprintf(t.out, "%s\n", gate.Printable(why.Error()))
	return err
}

// Confirm takes yes for yes and no for no, or their first letters, and asks again for anything else.
func (t *terminal) Confirm(ctx context.Context, question string, proposed bool) (bool, error) {
	word := "no"
	if proposed {
		word = "yes"
	}
	for {
		line, err := t.Ask(ctx, question+" (yes or no)", word)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(line) {
		case "yes", "y":
			return true, nil
		case "no", "n":
			return false, nil
		}
		if err := t.Wrong(fmt.Errorf("%q is neither yes nor no", line)); err != nil {
			return false, err
		}
	}
}
