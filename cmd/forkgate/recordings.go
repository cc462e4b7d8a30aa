package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"forkgate/gate"
	"forkgate/gate/archive"
	"forkgate/gate/tape"
)

// shelf is where a command finds recordings, and the keys that it has to those that are encrypted.
type shelf struct{ state, identity string }

func shelfFlags(c *cobra.Command) *shelf {
	s := &shelf{}
	c.Flags().StringVar(&s.state, "state", stateDir, "directory that recordings are in")
	c.Flags().StringVar(&s.identity, "identity", "", "file of the secret keys of age that encrypted recordings are read with")
	return s
}

func (s *shelf) keys() ([]age.Identity, error) {
	if s.identity == "" {
		return nil, nil
	}
	return archive.ReadKeys(s.identity)
}

// permitted refuses who is not root where the warden's own recordings are.
func (s *shelf) permitted() error {
	if s.state != stateDir {
		return nil
	}
	return needRoot("reading recordings")
}

// list lists them, and says what cannot be read.
func (s *shelf) list(cmd *cobra.Command) ([]archive.Recording, error) {
	if err := s.permitted(); err != nil {
		return nil, err
	}
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	return archive.List(archive.Dir(s.state), unreadable(cmd), keys...)
}

func unreadable(cmd *cobra.Command) func(path string, err error) {
	return func(path string, err error) { fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", gate.Printable(path), err) }
}

// find finds the recording of a session, by its name or the beginning of it.
func (s *shelf) find(cmd *cobra.Command, name string) (archive.Recording, error) {
	if err := s.permitted(); err != nil {
		return archive.Recording{}, err
	}
	return archive.Find(archive.Dir(s.state), name, unreadable(cmd))
}

// open opens what from reads as a recording; from is closed by who opened it.
func (s *shelf) open(from io.Reader) (*tape.Reader, error) {
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	r, err := tape.NewReader(from, keys...)
	if err == nil && len(r.Header.Forkgate.Sealed) > 0 && len(keys) == 0 {
		err = fmt.Errorf("%w: it is to %s", tape.ErrSealed, strings.Join(r.Header.Forkgate.Sealed, ", "))
	}
	if errors.Is(err, tape.ErrSealed) {
		return nil, fmt.Errorf("%w; --identity FILE names the file of its secret key", err)
	}
	return r, err
}

// read finds a recording and opens it, and calls do with it. through wraps its file; nil: the file is read as it is.
func (s *shelf) read(cmd *cobra.Command, name string, through func(archive.Recording, io.Reader) io.Reader, do func(*tape.Reader) error) error {
	r, err := s.find(cmd, name)
	if err != nil {
		return err
	}
	f, err := os.Open(r.File)
	if err != nil {
		return fmt.Errorf("cannot read the recording: %w", err)
	}
	defer f.Close()
	var from io.Reader = f
	if through != nil {
		from = through(r, f)
	}
	opened, err := s.open(from)
	if err != nil {
		return err
	}
	return do(opened)
}

// complete completes the names of sessions that there are recordings of.
func (s *shelf) complete(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, _ := s.list(cmd) // completion has nowhere to say why
	for _, r := range all {
		names = append(names, r.Session)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func recordingsCommand() *cobra.Command {
	c := &cobra.Command{Use: "recordings", Short: "list the recordings of sessions", Args: words(0, 0)}
	from := shelfFlags(c)
	asJSON := jsonFlag(c)
	c.AddCommand(exportCommand())
	c.RunE = func(cmd *cobra.Command, args []string) error {
		tellOfReading(cmd, args)
		all, err := from.list(cmd)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), all)
		}
		return printRecordings(cmd.OutOrStdout(), all)
	}
	return c
}

func printRecordings(out io.Writer, all []archive.Recording) error {
	rows := [][]string{{"SESSION", "BEGUN", "WHO", "REF", "RUNS", "SIZE"}}
	for _, r := range all {
		const shown = 40
		runs := strings.TrimSpace(r.Op + " " + r.Command)
		if len(runs) > shown {
			runs = runs[:shown] + "..."
		}
		if len(r.Sealed) > 0 {
			runs += " (encrypted)"
		}
		rows = append(rows, []string{r.Session, r.Begun.Local().Format(time.DateTime), r.Kind + " " + r.Principal, r.Ref, runs, gate.FormatSize(uint64(r.Size))})
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = gate.Printable(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func exportCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "export SESSION", Short: "print a recording as asciicast, for asciinema and other players", Args: words(1, 1),
		Long: "print a recording as asciicast v2, for asciinema and other players\n\n" +
			"One that is encrypted is decrypted, with --identity. It is what the session wrote, byte for byte: play it where a terminal may be told anything.",
	}
	from := shelfFlags(c)
	c.ValidArgsFunction = from.complete
	c.RunE = func(cmd *cobra.Command, args []string) error {
		tellOfReading(cmd, args)
		return from.read(cmd, args[0], nil, func(r *tape.Reader) error { return export(r, cmd.OutOrStdout()) })
	}
	return c
}

// export writes a recording as it is where nothing is encrypted.
func export(from *tape.Reader, to io.Writer) error {
	out := bufio.NewWriter(to)
	from.Header.Forkgate.Sealed = nil
	head, _, err := from.Header.Begin(nil, nil)
	if err != nil {
		return err
	}
	_, _ = out.Write(head) // what fails there fails at the end
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for {
		e, err := from.Next()
		if errors.Is(err, io.EOF) {
			return out.Flush()
		}
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		if err := lines.Encode([]any{e.At.Seconds(), e.Code, e.Data}); err != nil {
			return err
		}
	}
}
