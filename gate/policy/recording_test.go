package policy_test

import (
	"reflect"
	"testing"

	"forkgate/gate"
	"forkgate/gate/policy"
)

// Sessions are recorded as the strictest of the rules says that let them in; what a forbid keeps out, and what is no session, is not.
func TestRecordings(t *testing.T) {
	const some = `
permit "a" {
  when   = caller.principal == "alice" && (op == "shell" || op == "exec")
  record = "best-effort"
}
permit "b" {
  when   = target.grand && op == "shell"
  record = "required"
}
permit "c" {
  when = op == "list" || op == "sftp" || op == "fork"
}
approve "d" {
  when   = caller.principal == "bob" && op == "exec"
  record = "required"
}
`
	p := load(t, some)
	for _, test := range []struct {
		caller, op, target string
		granted            bool
		want               gate.Recording
	}{
		{"alice", "shell", "demo", false, gate.Required},
		{"alice", "exec", "demo", false, gate.BestEffort},
		{"alice", "sftp", "demo", false, gate.Unrecorded},
		{"alice", "list", "demo", false, gate.Unrecorded},
		{"bob", "shell", "demo", false, gate.Required},
		{"bob", "exec", "demo", false, gate.Unrecorded}, // and refused
		{"bob", "exec", "demo", true, gate.Required},
	} {
		r, err := p.Request(policy.Question{Caller: test.caller, Op: test.op, Target: test.target, Granted: test.granted})
		if err != nil {
			t.Fatal(err)
		}
		if d := p.Decide(r); d.Record != test.want {
			t.Errorf("%s %s %s granted %v: %s", test.caller, test.op, test.target, test.granted, d.Record)
		}
	}
	if got := p.Recordings(); !reflect.DeepEqual(got, policy.DefaultRecordingBounds()) {
		t.Errorf("%+v", got)
	}
	for _, word := range []string{"none", "required", "best-effort"} {
		var r gate.Recording
		if err := r.UnmarshalText([]byte(word)); err != nil || r.String() != word {
			t.Errorf("%s: %v, %v", word, r, err)
		}
	}
	var r gate.Recording
	if err := r.UnmarshalText([]byte("always")); err == nil {
		t.Error("a word that is none is taken")
	}
}
