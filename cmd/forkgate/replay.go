package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"forkgate/gate"
	"forkgate/gate/archive"
	"forkgate/gate/tape"
)

func recordingsCommand() *cobra.Command {
	c := &cobra.Command{Use: "recordings", Short: "list the recordings of sessions", Args: words(0, 0)}
	state := c.Flags().String("state", stateDir, "directory that they are in")
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		all, err := listRecordings(cmd, *state)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), all)
		}
		rows := [][]string{{"SESSION", "BEGUN", "WHO", "REF", "RUNS", "SIZE"}}
		for _, r := range all {
			const shown = 40
			runs := strings.TrimSpace(r.Op + " " + r.Command)
			if len(runs) > shown {
				runs = runs[:shown] + "..."
			}
			rows = append(rows, []string{r.Session, r.Begun.Local().Format(time.DateTime), r.Kind + " " + r.Principal, r.Ref, runs, gate.FormatSize(uint64(r.Size))})
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		for _, row := range rows {
			for i := range row {
				row[i] = gate.Printable(row[i])
			}
			fmt.Fprintln(w, strings.Join(row, "\t"))
		}
		return w.Flush()
	}
	return c
}

// listRecordings lists them, and says what cannot be read.
func listRecordings(cmd *cobra.Command, state string) ([]archive.Recording, error) {
	if state == stateDir {
		if err := needRoot("reading recordings"); err != nil {
			return nil, err
		}
	}
	return archive.List(archive.Dir(state), unreadable(cmd))
}

func unreadable(cmd *cobra.Command) func(path string, err error) {
	return func(path string, err error) { fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", gate.Printable(path), err) }
}

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
			"The file that forkgate recordings --json names can be played by asciinema as well.",
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			all, _ := listRecordings(cmd, stateDir) // completion has nowhere to say why
			for _, r := range all {
				names = append(names, r.Session)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	p := player{}
	state := c.Flags().String("state", stateDir, "directory that recordings are in")
	c.Flags().Float64Var(&p.speed, "speed", 1, "how many times as fast; 0 does not wait at all")
	c.Flags().DurationVar(&p.idle, "idle", 0, "the longest pause, such as 2s; 0 for as long as it was")
	c.Flags().BoolVar(&p.raw, "raw", false, "byte for byte, whatever that does to the terminal")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if p.speed < 0 || p.idle < 0 {
			return errors.New("--speed and --idle are not negative")
		}
		r, err := findRecording(cmd, *state, args[0])
		if err != nil {
			return err
		}
		f, err := os.Open(r.File)
		if err != nil {
			return fmt.Errorf("cannot play the recording: %w", err)
		}
		defer f.Close()
		p.out, p.err = cmd.OutOrStdout(), cmd.ErrOrStderr()
		return p.play(cmd.Context(), f)
	}
	return c
}

// findRecording finds the recording of a session, by its name or the beginning of it.
func findRecording(cmd *cobra.Command, state, name string) (archive.Recording, error) {
	if state == stateDir {
		if err := needRoot("reading recordings"); err != nil {
			return archive.Recording{}, err
		}
	}
	return archive.Find(archive.Dir(state), name, unreadable(cmd))
}

// play writes what was written, when it was.
func (p player) play(ctx context.Context, from io.Reader) error {
	r, err := tape.NewReader(from)
	if err != nil {
		return err
	}
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
		if to := show[e.Code]; to != nil {
			if _, err := io.WriteString(to, e.Data); err != nil {
				return err
			}
		}
	}
}
