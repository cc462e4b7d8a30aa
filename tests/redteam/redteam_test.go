package redteam

import (
	"fmt"
	"slices"
	"testing"

	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// lanes are the rows that need not wait for each other: those that share a fork, and those with one of their own. What eats the host's
// resources comes after both.
func lanes() [][]row {
	return [][]row{
		slices.Concat(dataRows, btrfsRows, kernelRows, procRows, socketRows, processRows, cgroupRows, networkRows), slices.Concat(hostileRows, lifeRows, grantRows),
	}
}

// matrix is all rows, in the order in which they are shown.
func matrix() []row { return slices.Concat(append(lanes(), soleRows, hoardRows)...) }

func TestRedteam(t *testing.T) {
	need.Systemd(t)
	need.Tools(t, "gcc", "ssh", "busybox", "btrfs", "ip", "nft", "tar")
	s := newStage(t)
	outcomes := make([]outcome, len(matrix()))
	run := func(t *testing.T, rows []row, into []outcome) {
		for i, r := range rows {
			t.Run(string(r.attempt.at)+"/"+r.name, func(t *testing.T) { into[i] = r.run(t, s) })
		}
	}
	done := 0
	t.Run("lanes", func(t *testing.T) {
		for i, rows := range lanes() {
			into := outcomes[done : done+len(rows)]
			done += len(rows)
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				run(t, rows, into)
			})
		}
	})
	run(t, slices.Concat(soleRows, hoardRows), outcomes[done:])
	table(outcomes)
}

// Each row says all that the matrix shows, and no two have one name.
func TestRowsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range matrix() {
		name := string(r.attempt.at) + "/" + r.name
		if seen[name] {
			t.Errorf("%s: there are two of it", name)
		}
		seen[name] = true
		if r.name == "" || r.by == "" || r.attempt.at == "" || r.attempt.script == "" || r.attempt.prints == "" {
			t.Errorf("%s: something is missing", name)
		}
		if st := r.attempt; st.matches(machine.Result{}) || st.matches(machine.Result{Stdout: "sh: probe: not found"}) ||
			st.matches(machine.Result{Stdout: "Syntax error: end of file unexpected"}) {
			t.Errorf("%s: it passes for safe when nothing was tried", name)
		}
		if c := r.control; c != nil && (c.at == "" || c.script == "" || c.prints == "") {
			t.Errorf("%s: something is missing of the control", name)
		}
	}
}
