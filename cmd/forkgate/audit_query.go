package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"forkgate/gate"
	"forkgate/gate/audit"
	"forkgate/gate/tape"
)

func auditTailCommand() *cobra.Command {
	c := &cobra.Command{Use: "tail", Short: "print the newest lines of the audit log", Args: words(0, 0)}
	lines := c.Flags().UintP("lines", "n", 20, "how many")
	follow := c.Flags().BoolP("follow", "f", false, "go on with what comes")
	asJSON := c.Flags().Bool("json", false, "print the lines as they are in the log")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := auditIn(cmd)
		if err != nil {
			return err
		}
		tellOfReading(cmd, nil)
		log, err := audit.NewReader(o.Dir)
		if err != nil {
			return err
		}
		there, err := log.Read()
		if err != nil {
			return err
		}
		for first := max(0, len(there)-int(min(*lines, uint(len(there))))); ; first = 0 {
			for _, l := range there[first:] {
				if err := printEntry(cmd.OutOrStdout(), l, *asJSON); err != nil {
					return err
				}
			}
			if !*follow || !pause(cmd, time.Second/4) {
				return nil
			}
			if there, err = log.Read(); err != nil {
				return err
			}
		}
	}
	return c
}

// pause waits, and reports whether there is anybody left to go on for.
func pause(cmd *cobra.Command, d time.Duration) bool {
	select {
	case <-cmd.Context().Done():
		return false
	case <-time.After(d):
		return true
	}
}

// wanted is what a query asks for; what is empty matches all.
type wanted struct {
	caller, kind, repo, verdict, event, session string
	since, until                                when
}

func (q wanted) has(e audit.Entry) bool {
	repo, _, _ := strings.Cut(e.Ref, ":")
	for _, f := range []struct{ want, is string }{
		{q.caller, e.Principal}, {q.kind, e.Kind}, {q.verdict, e.Verdict}, {q.event, e.Event}, {q.session, e.Session},
	} {
		if f.want != "" && f.want != f.is {
			return false
		}
	}
	return (q.repo == "" || q.repo == e.Ref || q.repo == repo) &&
		(q.since.IsZero() || !e.Time.Before(q.since.Time)) && (q.until.IsZero() || e.Time.Before(q.until.Time))
}

func auditQueryCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "query", Short: "print the lines of the audit log that match all that is asked for", Args: words(0, 0),
		Example: "  forkgate audit query --verdict forbid --kind agent --since 24h\n  forkgate audit query --repo shop --caller alice --json",
	}
	var q wanted
	c.Flags().StringVar(&q.caller, "caller", "", "of this principal")
	choice(c, &q.kind, "kind", "of human or agent callers", gate.Human.String(), gate.Agent.String())
	c.Flags().StringVar(&q.repo, "repo", "", "about this repository and its forks, or this fork (REPO:TAG)")
	choice(c, &q.verdict, "verdict", "permit or forbid", gate.Permit.String(), gate.Forbid.String())
	choice(c, &q.event, "event", "of this kind", audit.Events()...)
	c.Flags().StringVar(&q.session, "session", "", "of this session")
	for _, free := range []string{"caller", "repo", "session", "since", "until"} {
		_ = c.RegisterFlagCompletionFunc(free, cobra.NoFileCompletions) // the flags are there
	}
	c.Flags().Var(&q.since, "since", "not before: 2026-11-25T13:00:00Z, 2026-11-25, or as long ago as 90m, 24h")
	c.Flags().Var(&q.until, "until", "before: the same")
	asJSON := c.Flags().Bool("json", false, "print the lines as they are in the log")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := auditIn(cmd)
		if err != nil {
			return err
		}
		if _, err := gate.ParseRef(q.repo); q.repo != "" && err != nil {
			return err
		}
		tellOfReading(cmd, nil)
		for l, err := range audit.Lines(o.Dir) {
			if err != nil {
				return err
			}
			if l.Entry.Version == 0 || !q.has(l.Entry) {
				continue
			}
			if err := printEntry(cmd.OutOrStdout(), l, *asJSON); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// choice is a flag that takes one of a few words.
func choice(c *cobra.Command, to *string, name, what string, from ...string) {
	c.Flags().Var(&oneOf{to, from}, name, what+": "+strings.Join(from, ", "))
	_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(from, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// oneOf is a pflag.Value.
type oneOf struct {
	to   *string
	from []string
}

func (o *oneOf) String() string { return *o.to }
func (o *oneOf) Type() string   { return "word" }
func (o *oneOf) Set(s string) error {
	for _, word := range o.from {
		if word == s {
			*o.to = s
			return nil
		}
	}
	return fmt.Errorf("it is one of: %s", strings.Join(o.from, ", "))
}

// when is a pflag.Value: a time, or how long ago that was.
type when struct{ time.Time }

func (w *when) Type() string { return "time" }
func (w *when) String() string {
	if w.IsZero() {
		return ""
	}
	return w.Format(time.RFC3339)
}

func (w *when) Set(s string) (err error) {
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		w.Time = time.Now().Add(-ago)
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if w.Time, err = time.ParseInLocation(layout, s, time.Local); err == nil {
			return nil
		}
	}
	return fmt.Errorf("write it like 2026-11-25T13:00:00Z, 2026-11-25, or 24h for a day ago")
}

// printEntry prints a line for a person, or as it is. What clients sent is quoted in the log already.
func printEntry(w io.Writer, l audit.Line, asJSON bool) error {
	e := l.Entry
	if asJSON || e.Version == 0 {
		_, err := fmt.Fprintf(w, "%s\n", gate.Printable(string(l.Raw)))
		return err
	}
	said := []string{e.Time.Local().Format(time.DateTime), e.Event}
	who := strings.TrimSpace(e.Kind + " " + e.Principal)
	if e.Agent != "" {
		who += " (" + e.Agent + ")"
	}
	add := func(name, value string) {
		if value != "" {
			said = append(said, name+value)
		}
	}
	add("", e.Verdict)
	add("", who)
	add("", string(e.Op))
	add("", e.Ref)
	add("", e.Command)
	add("account ", e.Account)
	add("by ", e.Service)
	if e.Account != "" && e.Source != nil {
		add("from ", e.Source.String())
	}
	add("to ", e.Forward)
	add("", fileOf(e))
	add("rule ", e.Rule)
	if e.Exit != nil {
		add("exit ", strconv.Itoa(*e.Exit))
	}
	if e.Count > 0 {
		add("count ", strconv.Itoa(e.Count))
	}
	add("", e.Signal)
	add("after ", e.Took)
	add("grant ", e.Grant)
	add("session ", e.Session)
	add("- ", e.Reason)
	_, err := fmt.Fprintln(w, gate.Printable(strings.Join(said, "  ")))
	return err
}

// fileOf is what an entry says of a file.
func fileOf(e audit.Entry) string {
	if e.Did == "" {
		return ""
	}
	return tape.File{
		Did: e.Did, Path: e.Path, To: e.To, Change: e.Change, Size: e.Size, SHA256: e.SHA256, Partial: e.Partial, Outcome: e.Outcome,
	}.String()
}
