package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"forkgate/gate/archive"
	"forkgate/gate/tape"
	"forkgate/gate/warden/client"
)

// liveDir is where the warden has a file for each session that runs.
var liveDir = filepath.Join(filepath.Dir(client.Socket), "sessions")

func watchCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "watch SESSION", Short: "follow a session that runs and is recorded, from its beginning on", Args: words(1, 1),
		Long: "follow a session that runs and is recorded, from its beginning on\n\n" +
			"forkgate sessions lists those that run; policy's record decides which are recorded. Nobody in the session notices, and nothing that is typed\n" +
			"here reaches it. What could do more than show text stays out, as in replay.",
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			files, _ := os.ReadDir(liveDir) // completion has nowhere to say why
			for _, f := range files {
				names = append(names, f.Name())
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	from := shelfFlags(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		grows := func(r archive.Recording, f io.Reader) io.Reader {
			return &growing{ctx: cmd.Context(), from: f, live: runs(r.Session)}
		}
		tellOfReading(cmd, args)
		p := player{out: cmd.OutOrStdout(), err: cmd.ErrOrStderr()}
		return from.read(cmd, args[0], grows, func(r *tape.Reader) error { return p.play(cmd.Context(), r) })
	}
	return c
}

// runs reports whether the session of a recording runs.
func runs(session string) func() bool {
	return func() bool {
		_, err := os.Lstat(filepath.Join(liveDir, session))
		return err == nil
	}
}

// growing reads a file that somebody writes, and ends when nobody does any more.
type growing struct {
	ctx  context.Context
	from io.Reader
	live func() bool
}

func (g *growing) Read(p []byte) (int, error) {
	for {
		last := !g.live() // before the read: what came until then is there to be read
		n, err := g.from.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) || last {
			return n, err
		}
		select {
		case <-g.ctx.Done():
			return 0, io.EOF
		case <-time.After(time.Second / 10):
		}
	}
}
