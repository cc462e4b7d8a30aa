// Package doors knows the ways onto a host that do not lead through the gate: says of each whether it is open, closes those that can be closed without
// harm, and takes that back.
//
// A way that is not understood, or cannot be seen, is open. Examine changes nothing. Close writes down what it is about to change before it does, has
// systemd take all of it back after a minute, and at the next boot, unless Confirm is said through a connection that was made afterwards. It never
// touches who is in the group forkgate-admin, and root on the console. What can be done here root does: nothing of it keeps root from anything.
package doors

import (
	"context"
	"fmt"
	"io"
	"slices"

	"forkgate/gate"
)

// The host's groups.
const (
	AdminGroup    = "forkgate-admin"    // who may have a shell on the host itself
	AccountsGroup = "forkgate-accounts" // accounts that sshd leads to forkgate session, and nowhere else
)

// State is how a way stands. The zero State is open.
type State int

// States.
const (
	Open   State = iota // who is in none of the groups gets onto the host, or that cannot be ruled out
	Gated               // it leads to the gate, or lets in who is in forkgate-admin alone
	Closed              // nobody gets in
)

func (s State) String() string {
	switch s {
	case Gated:
		return "gated"
	case Closed:
		return "closed"
	}
	return "open"
}

// MarshalText makes a word of a state, for JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Row is one way with what was found. Do, what to type as root, is empty where it is not open.
type Row struct {
	Way      string `json:"way"`
	State    State  `json:"state"`
	Found    string `json:"found"`
	Why      string `json:"why"`
	Do       string `json:"do,omitempty"`
	Excepted bool   `json:"excepted,omitempty"` // the operator knows of it
}

// way is a way onto the host.
type way struct {
	name, why string
	probe     func(context.Context, *Host) finding
	// shut says what to change; nil: that is for the operator. By name alone it is where what is changed may serve something else.
	shut   func(context.Context, *Host) ([]step, error)
	byName bool
	slow   bool // looks at all of the disk
}

// finding is what a probe has found. The zero finding is open.
type finding struct {
	state     State
	found, do string
}

func open(do, format string, args ...any) finding {
	return finding{Open, fmt.Sprintf(format, args...), do}
}

func gated(format string, args ...any) finding {
	return finding{state: Gated, found: fmt.Sprintf(format, args...)}
}

func closed(format string, args ...any) finding {
	return finding{state: Closed, found: fmt.Sprintf(format, args...)}
}

// ways are all of them: what lies under others comes first.
func ways(ctx context.Context, h *Host) []way {
	return slices.Concat(sshdWays(), pamWays(), jobWays(), rootWays(), unitWays(), listenerWays(ctx, h))
}

// Examine looks at every way. Those in except are known to the operator.
func Examine(ctx context.Context, h *Host, except ...string) []Row {
	var rows []Row
	for _, w := range ways(ctx, h) {
		rows = append(rows, w.row(ctx, h, slices.Contains(except, w.name)))
	}
	return rows
}

func (w way) row(ctx context.Context, h *Host, excepted bool) Row {
	f := w.probe(ctx, h)
	if f.state == Open && f.do == "" {
		f.do = fmt.Sprintf("forkgate doors --close '%s'", w.name)
	}
	return Row{Way: gate.Printable(w.name), State: f.state, Found: gate.Printable(f.found), Why: w.why, Do: gate.Printable(f.do), Excepted: excepted && f.state == Open}
}

// Count says how many rows have a state, those aside that the operator knows of.
func Count(rows []Row, s State) (n int) {
	for _, r := range rows {
		if r.State == s && !r.Excepted {
			n++
		}
	}
	return n
}

// Write prints a line for each row and, below those that are open, why that matters and what to do.
func Write(w io.Writer, rows []Row) error {
	width := 0
	for _, r := range rows {
		width = max(width, len(r.Way))
	}
	for _, r := range rows {
		known := ""
		if r.Excepted {
			known = " (excepted)"
		}
		if _, err := fmt.Fprintf(w, "%-6s  %-*s  %s%s\n", r.State, width, r.Way, r.Found, known); err != nil {
			return err
		}
		if r.State != Open || r.Excepted {
			continue
		}
		if _, err := fmt.Fprintf(w, "        why: %s\n        do:  %s\n", r.Why, r.Do); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d open, %d gated, %d closed\n", Count(rows, Open), Count(rows, Gated), Count(rows, Closed))
	return err
}
