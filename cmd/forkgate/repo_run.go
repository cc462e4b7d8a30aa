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
	"golang.org/x/sync/errgroup"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

func repoRunCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "run NAME -- COMMAND [ARGUMENT...]", Short: "run a command in a repository: production", Args: words(2, 1<<16),
		Long: "Run a command in a repository, as the user that sessions run as, with this standard input, output and exit code, and without a terminal.\n" +
			"It starts the repository's pod where that does not run. Policy is not asked, and the record has the command.\n\n" +
			"NAME may be a fork that is not settled, and that nobody else enters: to look into it, and to mend it. It runs in a pod without a network\n" +
			"that is there for that command alone. Other forks are entered by ssh.\n\n" +
			"  forkgate repo run shop -- docker compose ps\n" +
			"  forkgate repo run shop -- sh -c 'pg_dump shop | zstd' >shop.zst",
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		exit, err := runInRepo(cmd.Context(), args[0], args[1:], cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		if err != nil || exit == (wire.Exit{}) {
			return err
		}
		die(exit.Signal)
		if exit.Signal != "" || exit.Code < 0 || exit.Code > 255 { // a pod is not trusted to send a code
			exit.Code = gate.ExitFailed
		}
		return ended(exit)
	}
	return c
}

// unwilling is how long a command that is to end may take.
const unwilling = 10 * time.Second

// runInRepo runs a command in a repository, and returns when it has ended and all that it printed is out; what it leaves behind ends with it. in may be
// nil, for nothing; one that cannot be interrupted is left to itself.
func runInRepo(ctx context.Context, name string, argv []string, in io.Reader, out, complaints io.Writer) (exit wire.Exit, err error) {
	err = withWarden(func(c *client.Client) error {
		running, err := c.RepoRun(ctx, client.RepoRunRequest{Name: name, Command: []byte("exec " + quoted(argv))})
		if err != nil {
			return err
		}
		defer running.Close()
		defer context.AfterFunc(ctx, func() {
			_ = running.Signal("TERM")
			time.AfterFunc(unwilling, func() { _ = running.End() })
		})()
		go func() {
			if in != nil {
				_, _ = io.Copy(running.Stdin, in) // who does not read it any more has enough
			}
			_ = running.Stdin.Close()
		}()
		var printing errgroup.Group
		for from, to := range map[*os.File]io.Writer{running.Stdout: out, running.Stderr: complaints} {
			printing.Go(func() error {
				_, err := io.Copy(to, from)
				return errors.Join(err, from.Close()) // who prints more of what nobody takes hears so
			})
		}
		exit, err = running.Wait()
		_ = running.End()
		unprinted := printing.Wait()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the pod of %s went away", name)
		}
		return errors.Join(err, unprinted)
	})
	return exit, err
}

// quoted is a command line for the shell (POSIX, 2.2.2).
func quoted(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return strings.Join(words, " ")
}
