package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
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
			return replayInBrowser(cmd, from, *listen, strings.Join(args, ""))
		case cmd.Flags().Changed("listen"):
			return errors.New("--listen is where --web listens; add --web")
		}
		return p.playOne(cmd, from, args[0])
	}
	return c
}

// playOne plays the recording of a session.
func (p player) playOne(cmd *cobra.Command, from *shelf, session string) error {
	if p.speed < 0 || p.idle < 0 {
		return errors.New("--speed and --idle are not negative")
	}
	r, err := from.find(cmd, session)
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
		if e.Code == tape.Flow {
			c, err := e.Carried()
			if err == nil {
				_, err = fmt.Fprintln(p.out, c)
			}
			if err != nil {
				return err
			}
			continue
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
