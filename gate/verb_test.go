package gate_test

import (
	"slices"
	"testing"

	"forkgate/gate"
)

// Policy has no word for what nobody asks: a rule about that would seem to keep something out.
func TestEveryOperationIsAsked(t *testing.T) {
	sessions := []gate.Op{gate.OpShell, gate.OpExec, gate.OpSFTP, gate.OpForwardLocal, gate.OpForwardRemote, gate.OpForwardUnix, gate.OpAgentForward}
	for _, op := range gate.Ops() {
		if !slices.Contains(sessions, op) && !slices.ContainsFunc(gate.Verbs(), func(v gate.Verb) bool { return v.Op == op }) {
			t.Errorf("no session and no control word asks %s", op)
		}
	}
}
