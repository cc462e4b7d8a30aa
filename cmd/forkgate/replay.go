package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
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
		Use: "replay SESSION", Short: "play the recording of a session in this terminal, or all in a browser",
		Long: "play the recording of a session in this terminal, or all in a browser\n\n" +
			"What could do more than show text stays out: titles, the clipboard, questions that the terminal would answer. --raw lets it through.\n" +
			"Of a session of sftp each operation on a file is a line.\n" +
			"forkgate recordings export prints what asciinema plays.\n\n" +
			"--web serves a page on loopback that lists and plays recordings, with what was decided beside each, until it is interrupted. It prints the\n" +
			"page's address, which is a secret: it opens all recordings to whoever has it and reaches loopback.",
		Example: "  forkgate replay k3v7 --speed 4 --idle 1s\n  forkgate replay --web\n  forkgate replay --web k3v7 --listen 127.0.0.1:8400",
	}
	p := player{}
	from := shelfFlags(c)
	c.ValidArgsFunction = from.complete
	c.Flags().Float64Var(&p.speed, "speed", 1, "how many times as fast; 0 does not wait at all")
	c.Flags().DurationVar(&p.idle, "idle", 0, "the longest pause, such as 2s; 0 for as long as it was")
	c.Flags().BoolVar(&p.raw, "raw", false, "byte for byte, whatever that does to the terminal")
	web := c.Flags().Bool("web", false, "serve a page for a browser, on loopback")
	listen := c.Flags().String("listen", "127.0.0.1:0", "address and port of loopback for --web; port 0 is any that is free")
	for _, terminals := range []string{"speed", "idle", "raw"} {
		c.MarkFlagsMutuallyExclusive("web", terminals)
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		if *web {
			return words(0, 1)(cmd, args)
		}
		return words(1, 1)(cmd, args)
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case *web:
			tellOfReading(cmd, args)
			return replayInBrowser(cmd, from, *listen, strings.Join(args, ""))
		case cmd.Flags().Changed("listen"):
			return errors.New("--listen is where --web listens; add --web")
		}
		tellOfReading(cmd, args)
		return p.playOne(cmd, from, args[0])
	}
	return c
}

// playOne plays the recording of a session.
func (p player) playOne(cmd *cobra.Command, from *shelf, session string) error {
	if p.speed < 0 || p.idle < 0 {
		return errors.New("--speed and --idle are not negative")
	}
	p.out, p.err = cmd.OutOrStdout(), cmd.ErrOrStderr()
	return from.read(cmd, session, nil, func(r *tape.Reader) error { return p.play(cmd.Context(), r) })
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
		line, err := told(e)
		if line != "" && err == nil {
			_, err = fmt.Fprintln(p.out, line)
		}
		if err != nil {
			return err
		}
		if to := show[e.Code]; to != nil {
			if _, err := io.WriteString(to, e.Data); err != nil {
				return err
			}
		}
	}
}

// told is a line about what a session did that wrote nothing to be shown; empty for other events.
func told(e tape.Event) (string, error) {
	switch e.Code {
	case tape.Files:
		f, err := e.File()
		return f.Began.Local().Format(time.TimeOnly) + "  " + gate.Printable(f.String()), err
	case tape.Flow:
		c, err := e.Carried()
		return c.String(), err
	}
	return "", nil
}
