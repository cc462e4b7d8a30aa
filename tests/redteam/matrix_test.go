package redteam

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"

	"forkgate/tests/machine"
)

// place is where an attempt is made.
type place string

const (
	session   place = "session"   // an agent's command in its fork
	container place = "container" // root in a privileged container of that fork, with all that Docker can give it
	host      place = "host"      // the host's root, who handles a hostile fork
	// unfiltered is for controls: root in the fork's own namespaces, entered from the host, without the filter of system calls.
	unfiltered place = "unfiltered"
	// neighbour is an agent's command in another fork.
	neighbour place = "neighbour"
	// production is a person's command in the repository that the forks are made of.
	production place = "production"
	// client is an agent's machine, from which it comes by ssh. What root on the host does beside it is in the script.
	client place = "client"
)

// step is a shell script in a place, and all that it prints when it ends as it should: a regular expression for the whole. An empty
// one is for steps that only have to succeed.
type step struct {
	at     place
	script string
	prints string
}

// row is an attempt.
type row struct {
	name string
	// before are steps that prepare it; they have to succeed.
	before []step
	// attempt prints what came of it.
	attempt step
	// beside is a step that goes on while the attempt is made, and is ended after it.
	beside *step
	// after are steps that look whether all is as it was.
	after []step
	// by is the mechanism that makes it safe.
	by string
	// control is the same attempt without the mechanism. It succeeds.
	control *step
	// hoards is set for attempts that take something until there is no more, say "held", and keep it until their input ends. The
	// neighbour and the host work on meanwhile.
	hoards bool
	// own is set for rows that want a fork of their own; it is removed in the end.
	own bool
	// tight is set for rows that want a fork with narrow limits.
	tight bool
}

// outcome is what became of a row, for the table.
type outcome struct {
	row           row
	safe, control string
}

// run makes the attempt of a row, and its control.
func (r row) run(t *testing.T, s *stage) outcome {
	o := outcome{row: r, safe: "NOT SAFE", control: "-"}
	if r.control != nil {
		o.control = "FAILS"
	}
	f := s.fork
	if r.tight {
		f = s.tight
	}
	if r.own {
		f = s.newFork(t, owner(f))
		defer s.remove(t, f)
	}
	for _, st := range r.before {
		s.do(t, f, st)
	}
	if r.beside != nil {
		defer s.begin(t, f, *r.beside)()
	}
	err := s.attempt(t, f, r)
	for _, st := range r.after {
		err = errors.Join(err, s.take(t, f, st))
	}
	if err != nil {
		t.Error(err)
	} else {
		o.safe = "safe"
	}
	if r.control != nil && s.control(t, f, *r.control) {
		o.control = "succeeds"
	}
	return o
}

func (s *stage) attempt(t *testing.T, fork string, r row) error {
	if r.hoards {
		return s.hoard(t, fork, r)
	}
	return s.take(t, fork, r.attempt)
}

// onStderr begins what a step prints that gets nothing done: nothing, but on standard error what comes after this.
const onStderr = "on standard error: "

// matches reports whether a step printed what it should.
func (st step) matches(r machine.Result) bool {
	printed, want := r.Stdout, st.prints
	if says, ok := strings.CutPrefix(want, onStderr); ok && r.Stdout == "" && r.Code != 0 {
		printed, want = r.Stderr, says
	}
	return regexp.MustCompile(`^(?:` + want + `)$`).MatchString(strings.TrimSpace(printed))
}

// table prints what became of all rows.
func table(outcomes []outcome) {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ATTEMPT\tPLACE\tMECHANISM\tOUTCOME\tCONTROL")
	safe, controls, succeed := 0, 0, 0
	for _, o := range outcomes {
		if o.row.name == "" {
			continue // not among those that were asked for
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", o.row.name, o.row.attempt.at, o.row.by, o.safe, o.control)
		safe += count(o.safe == "safe")
		controls += count(o.row.control != nil)
		succeed += count(o.control == "succeeds")
	}
	w.Flush()
	fmt.Printf("%d attempts, %d safe; %d controls, %d succeed\n", len(outcomes), safe, controls, succeed)
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
