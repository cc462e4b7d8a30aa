package provenance

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/tests/keys"
)

// spoken is evidence of an attestor's that makes a person, and the attestors that a gate knows.
func spoken(t testing.TB, change func(*Statement)) (gate.Evidence, []Attestor) {
	t.Helper()
	ca := keys.New(t)
	s := testStatement()
	s.Session, s.HostKey = "00", "SHA256:x"
	if change != nil {
		change(&s)
	}
	text, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	attestors := []Attestor{{Name: "laptop", Key: ca.PublicKey(), Principals: map[uint32]string{s.UID: "alice"}, Minimum: Protections()}}
	return gate.Evidence{
		Principal: "alice", Key: "SHA256:ephemeral", ClientVersion: "SSH-2.0-OpenSSH_9.2p1", Alone: true,
		Attestor: ssh.FingerprintSHA256(ca.PublicKey()), Statement: text,
	}, attestors
}

func TestClassifyAttested(t *testing.T) {
	alice := Principal{Name: "alice", Groups: []string{"backend"}}
	for _, test := range []struct {
		name   string
		change func(*Statement)
		spoil  func(*gate.Evidence)
		human  bool
		nobody bool
	}{
		{name: "a person", human: true},
		{name: "an agent", change: func(s *Statement) { s.Verdict, s.Agent = ByAgent, "Claude Code" }},
		{name: "unverified", change: func(s *Statement) { s.Verdict = Unverified }},
		{name: "without a protection", change: func(s *Statement) { s.Protections = s.Protections[1:] }},
		{name: "with a mark", spoil: func(e *gate.Evidence) { e.Env = []string{"CLAUDECODE=1"} }},
		{name: "with a malformed variable", spoil: func(e *gate.Evidence) { e.Env = []string{"1=2"} }},
		{name: "shared", spoil: func(e *gate.Evidence) { e.Alone = false }},
		{name: "another client", spoil: func(e *gate.Evidence) { e.ClientVersion = "SSH-2.0-paramiko_3" }},
		{name: "no client", spoil: func(e *gate.Evidence) { e.ClientVersion = "" }},
		{name: "another attestor", spoil: func(e *gate.Evidence) { e.Attestor = "SHA256:other" }, nobody: true},
		{name: "another principal", spoil: func(e *gate.Evidence) { e.Principal = "bob" }, nobody: true},
		{name: "no statement", spoil: func(e *gate.Evidence) { e.Statement = nil }, nobody: true},
		{name: "half a statement", spoil: func(e *gate.Evidence) { e.Statement = e.Statement[:len(e.Statement)-1] }, nobody: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, attestors := spoken(t, test.change)
			if test.spoil != nil {
				test.spoil(&e)
			}
			got := Classify(testAgents(t), attestors, alice, e)
			if (got.Kind == gate.Human) != test.human || (got.Principal == "") != test.nobody || (got.Class == gate.ClassAttested) == test.nobody {
				t.Errorf("got %+v", got)
			}
			if got.Shared != (test.name == "shared") {
				t.Errorf("shared: %t", got.Shared)
			}
		})
	}
}

// A vouched key on a connection that a stock ssh shares is an agent's; other clients have no such thing.
func TestClassifyShared(t *testing.T) {
	alice := Principal{Name: "alice", Vouched: true}
	for _, test := range []struct {
		version string
		alone   bool
		want    gate.Kind
	}{
		{"SSH-2.0-OpenSSH_9.2p1", true, gate.Human}, {"SSH-2.0-OpenSSH_9.2p1", false, gate.Agent}, {"SSH-2.0-PuTTY_Release_0.78", false, gate.Human},
	} {
		got := Classify(nil, nil, alice, gate.Evidence{Principal: "alice", Key: fingerprint, ClientVersion: test.version, Alone: test.alone})
		if got.Kind != test.want || got.Shared != (test.want == gate.Agent) {
			t.Errorf("%s, alone %t: %+v", test.version, test.alone, got)
		}
	}
}

func TestOverridesOfCallers(t *testing.T) {
	with := func(o Override) func(*Statement) {
		return func(s *Statement) { s.Verdict, s.Agent, s.Override = ByAgent, "Claude Code", &o }
	}
	agent := func(s *Statement) { s.Verdict, s.Agent = ByAgent, "Claude Code" }
	const sent = OverrideVariable + "=demo"
	for _, test := range []struct {
		name    string
		change  func(*Statement)
		spoil   func(*gate.Evidence)
		granted bool
		refused string
	}{
		{name: "none", change: agent},
		{name: "granted", change: with(Override{Value: "shop,demo", Protection: NoPtrace}), granted: true},
		{name: "elsewhere", change: with(Override{Value: "shop", Protection: NoPtrace}), refused: gate.OverrideElsewhere},
		{name: "set by the agent", change: with(Override{Value: "demo", Refused: SetByAgent}), refused: gate.OverrideSetByAgent},
		{name: "malformed", change: with(Override{Value: "*", Refused: Malformed}), refused: gate.OverrideMalformed},
		{name: "unnamed", change: with(Override{Value: "demo", Refused: Unnamed}), refused: gate.OverrideUnnamed},
		{name: "unseen", change: with(Override{Value: "demo", Refused: Unseen}), refused: gate.OverrideUnseen},
		{name: "rewritten", change: with(Override{Value: "demo", Refused: Unprotected}), refused: gate.OverrideUnprotected},
		{name: "sent by an agent", change: agent, spoil: func(e *gate.Evidence) { e.Env = []string{sent} }, refused: gate.OverrideSetByAgent},
		{name: "sent, unverified", change: func(s *Statement) { s.Verdict = Unverified }, spoil: func(e *gate.Evidence) { e.Env = []string{sent} }, refused: gate.OverrideUnseen},
		{name: "sent empty", change: agent, spoil: func(e *gate.Evidence) { e.Env = []string{OverrideVariable + "="} }},
		{name: "sent without an attestor", spoil: func(e *gate.Evidence) { e.Env, e.Attestor, e.Statement = []string{sent}, "", nil }, refused: gate.OverrideUnattested},
		{name: "shared", change: with(Override{Value: "demo", Protection: NoPtrace}), spoil: func(e *gate.Evidence) { e.Alone = false }, refused: gate.OverrideUnprotected},
		{name: "less than the minimum", change: func(s *Statement) {
			with(Override{Value: "demo", Protection: NoPtrace})(s)
			s.Protections = []Protection{NoPtrace}
		}, refused: gate.OverrideUnprotected},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, attestors := spoken(t, test.change)
			if test.spoil != nil {
				test.spoil(&e)
			}
			r := gate.Request{Caller: Classify(testAgents(t), attestors, Principal{Name: "alice"}, e), Target: gate.Target{Repo: "demo", Grand: true}}
			if r.Caller.Kind != gate.Agent || r.OverrideGranted() != test.granted || r.OverrideRefused() != test.refused {
				t.Errorf("granted %t, refused %q, %+v", r.OverrideGranted(), r.OverrideRefused(), r.Caller)
			}
			r.Target = gate.Target{Repo: "demo", Tag: "x", Fork: true}
			if r.OverrideGranted() {
				t.Error("it opens a fork")
			}
		})
	}
}

// Nothing makes a person but a statement that says so, whole and in order, on a connection of its own.
func FuzzClassifyAttested(f *testing.F) {
	e, attestors := spoken(f, nil)
	f.Add(e.Statement, e.ClientVersion, true, "LANG=C")
	f.Add(e.Statement[1:], e.ClientVersion, true, "CLAUDECODE=1")
	f.Add([]byte(`{"version":1,"verdict":"person"}`), "", false, OverrideVariable+"=demo")
	agents := testAgents(f)
	f.Fuzz(func(t *testing.T, statement []byte, version string, alone bool, env string) {
		e := gate.Evidence{Principal: "alice", Key: "k", Attestor: e.Attestor, Statement: statement, ClientVersion: version, Alone: alone, Env: []string{env}}
		got := Classify(agents, attestors, Principal{Name: "alice"}, e)
		s, err := DecodeStatement(statement)
		whole := err == nil && attestors[0].Principals[s.UID] == "alice" && alone && strings.HasPrefix(version, openSSH)
		if got.Kind == gate.Human && (!whole || s.Verdict != ByPerson) {
			t.Errorf("a person by %q, %q, %t", statement, version, alone)
		}
		if len(got.Override.Repos) > 0 && (!whole || s.Verdict != ByAgent || slices.Contains(got.Override.Repos, "*")) {
			t.Errorf("leave by %q", statement)
		}
	})
}
