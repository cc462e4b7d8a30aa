package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"forkgate/gate"
	"forkgate/gate/tape"
)

// player is how a recording is played.
type player struct {
	speed float64
	idle  time.Duration // the longest pause
	raw   bool          // as it was, whatever it does to the terminal
	out   io.Writer
	err   io.Writer
}

func replayCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "replay SESSION", Short: "play the recording of a session in this terminal", Args: words(1, 1),
		Long: "play the recording of a session in this terminal\n\n" +
			"What could do more than show text stays out: titles, the clipboard, questions that the terminal would answer. --raw lets it through.\n" +
			"Of a session of sftp each operation on a file is a line.\n" +
			"forkgate recordings export prints what asciinema plays.",
	}
	p := player{}
	from := shelfFlags(c)
	c.ValidArgsFunction = from.complete
	c.Flags().Float64Var(&p.speed, "speed", 1, "how many times as fast; 0 does not wait at all")
	c.Flags().DurationVar(&p.idle, "idle", 0, "the longest pause, such as 2s; 0 for as long as it was")
	c.Flags().BoolVar(&p.raw, "raw", false, "byte for byte, whatever that does to the terminal")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if p.speed < 0 || p.idle < 0 {
			return errors.New("--speed and --idle are not negative")
		}
		r, err := from.find(cmd, args[0])
		if err != nil {
			return err
		}
		f, err := os.Open(r.File)
		if err != nil {
			return fmt.Errorf("cannot play the recording: %w", err)
		}
		defer f.Close()
		p.out, p.err = cmd.OutOrStdout(), cmd.ErrOrStderr()
		opened, err := from.open(f)
		if err != nil {
			return err
		}
		return p.play(cmd.Context(), opened)
	}
	return c
}

// play writes what was written, when it was.
func (p player) play(ctx context.Context, r *tape.Reader) error {
	show := map[string]io.Writer{tape.Output: p.out, tape.Errors: p.err}
	if !p.raw {
		for code, w := range show {
			show[code] = tape.Tame(w)
		}
	}
	for last := time.Duration(0); ; {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		wait := e.At - last
		last = e.At
		if p.idle > 0 {
			wait = min(wait, p.idle)
		}
		if p.speed > 0 && wait > 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Duration(float64(wait) / p.speed)):
			}
		}
		if e.Code == tape.Files {
			if err := p.file(e); err != nil {
				return err
			}
			continue
		}
		if to := show[e.Code]; to != nil {
			if _, err := io.WriteString(to, e.Data); err != nil {
				return err
			}
		}
	}
}

// file prints what a session did to a file.
func (p player) file(e tape.Event) error {
	f, err := e.File()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s  %s\n", f.Began.Local().Format(time.TimeOnly), gate.Printable(f.String()))
	return err
}
