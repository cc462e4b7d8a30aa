package provenance

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"forkgate/gate"
)

const fingerprint = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDhPzkCPMcLdkQhQbA"

func mark(t testing.TB, s string) Mark {
	t.Helper()
	m, err := ParseMark(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func testAgents(t testing.TB) []Agent {
	return []Agent{
		{Name: "unnamed", Env: []Mark{mark(t, "AGENT")}},
		{Name: "Amp", Env: []Mark{mark(t, "AGENT=amp")}},
		{Name: "Claude Code", Env: []Mark{mark(t, "CLAUDECODE=1"), mark(t, "CLAUDE_CODE_SESSION_ID")}},
		{Name: "Cursor", Env: []Mark{mark(t, "CURSOR_AGENT")}, Mixed: []Mark{mark(t, "CURSOR_TRACE_ID"), mark(t, "TERM_PROGRAM=cursor")}},
		{Name: "Amazon Q", Env: []Mark{mark(t, "AWS_EXECUTION_ENV~AmazonQ-For-CLI")}},
	}
}

func TestClassify(t *testing.T) {
	vouched := Principal{Name: "alice", Groups: []string{"backend"}, Vouched: true}
	plain := Principal{Name: "alice", Groups: []string{"backend"}}
	cases := []struct {
		name      string
		principal Principal
		evidence  gate.Evidence
		kind      gate.Kind
		class     gate.Class
		agent     string
		says      string // a sentence of the evidence
	}{
		{"nothing", Principal{}, gate.Evidence{}, gate.Agent, gate.ClassNone, "", "no key signed this connection"},
		{"a vouched key", vouched, gate.Evidence{Principal: "alice", Key: fingerprint},
			gate.Human, gate.ClassKey, "", "principal alice is vouched by the operator"},
		{"a key", plain, gate.Evidence{Principal: "alice", Key: fingerprint},
			gate.Agent, gate.ClassKey, "", "key " + fingerprint + " signed this connection"},
		{"a vouched key with a mark", vouched, gate.Evidence{Principal: "alice", Key: fingerprint, Env: []string{"CLAUDECODE=1"}},
			gate.Agent, gate.ClassKey, "Claude Code", "the client sent CLAUDECODE=1: a mark of Claude Code"},
		{"the wrong value is no mark", vouched, gate.Evidence{Principal: "alice", Key: fingerprint, Env: []string{"CLAUDECODE=11"}},
			gate.Human, gate.ClassKey, "", "principal alice is vouched by the operator"},
		{"the name is never a part", vouched, gate.Evidence{Principal: "alice", Key: fingerprint,
			Env: []string{"MY_CLAUDECODE=1", "CLAUDECODE_=1", "claudecode=1", "AGENTS=1"}},
			gate.Human, gate.ClassKey, "", "principal alice is vouched by the operator"},
		{"an empty value is no mark", vouched, gate.Evidence{Principal: "alice", Key: fingerprint, Env: []string{"AGENT="}},
			gate.Human, gate.ClassKey, "", "principal alice is vouched by the operator"},
		{"a part of the value", vouched, gate.Evidence{Principal: "alice", Key: fingerprint,
			Env: []string{"AWS_EXECUTION_ENV=AmazonQ-For-CLI Version/1.2"}},
			gate.Agent, gate.ClassKey, "Amazon Q", "the client sent AWS_EXECUTION_ENV~AmazonQ-For-CLI: a mark of Amazon Q"},
		{"another value of that variable", vouched, gate.Evidence{Principal: "alice", Key: fingerprint,
			Env: []string{"AWS_EXECUTION_ENV=CloudShell"}},
			gate.Human, gate.ClassKey, "", "principal alice is vouched by the operator"},
		{"mixed marks never decide", vouched, gate.Evidence{Principal: "alice", Key: fingerprint,
			Env: []string{"CURSOR_TRACE_ID=x", "TERM_PROGRAM=cursor"}},
			gate.Human, gate.ClassKey, "", "the client sent CURSOR_TRACE_ID: people who use Cursor send it too, so it decides nothing"},
		{"a mixed mark beside a mark", vouched, gate.Evidence{Principal: "alice", Key: fingerprint,
			Env: []string{"CURSOR_TRACE_ID=x", "CURSOR_AGENT=1"}},
			gate.Agent, gate.ClassKey, "Cursor", "the client sent CURSOR_AGENT: a mark of Cursor"},
		{"the strongest mark names the agent", vouched, gate.Evidence{Principal: "alice", Key: fingerprint, Env: []string{"AGENT=amp"}},
			gate.Agent, gate.ClassKey, "Amp", "the client sent AGENT=amp: a mark of Amp"},
		{"an agent nobody knows", vouched, gate.Evidence{Principal: "alice", Key: fingerprint, Env: []string{"AGENT=zzz"}},
			gate.Agent, gate.ClassKey, "unnamed", "the client sent AGENT: a mark of unnamed"},
		{"a mark and its denial", vouched, gate.Evidence{Principal: "alice", Key: fingerprint,
			Env: []string{"CLAUDECODE=1", "CLAUDECODE=0"}},
			gate.Agent, gate.ClassKey, "Claude Code", "the client sent CLAUDECODE=1: a mark of Claude Code"},
		{"no equals sign", vouched, gate.Evidence{Principal: "alice", Key: fingerprint, Env: []string{"CLAUDECODE"}},
			gate.Agent, gate.ClassKey, "", `the client sent a malformed variable, "CLAUDECODE"`},
		{"a NUL", vouched, gate.Evidence{Principal: "alice", Key: fingerprint, Env: []string{"LANG=C\x00CLAUDECODE=1"}},
			gate.Agent, gate.ClassKey, "", `the client sent a malformed variable, "LANG=C\x00CLAUDECODE=1"`},
		{"vouched, but no key", vouched, gate.Evidence{Principal: "alice"},
			gate.Agent, gate.ClassNone, "", "no key signed this connection"},
		{"only a hint", Principal{}, gate.Evidence{Principal: "alice", Env: []string{"CLAUDECODE=1"}},
			gate.Agent, gate.ClassHint, "Claude Code", "the client sent CLAUDECODE=1: a mark of Claude Code"},
		{"another principal's facts", vouched, gate.Evidence{Principal: "bob", Key: fingerprint},
			gate.Agent, gate.ClassKey, "", "no policy speaks of principal bob"},
		{"no principal, vouched facts", Principal{Vouched: true}, gate.Evidence{Key: fingerprint},
			gate.Agent, gate.ClassKey, "", "no principal is named"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Classify(testAgents(t), nil, c.principal, c.evidence)
			if got.Kind != c.kind || got.Class != c.class || got.Agent != c.agent {
				t.Errorf("got %s, class %s, agent %q; want %s, class %s, agent %q", got.Kind, got.Class, got.Agent, c.kind, c.class, c.agent)
			}
			if said := slices.Concat(got.Evidence, got.Marks); !slices.Contains(said, c.says) {
				t.Errorf("the evidence %q does not say %q", said, c.says)
			}
		})
	}
}

// What an agent hears of names no variable that it could leave out, and no process: that is in the record. The control is what decides
// nothing, of which it hears all.
func TestAnAgentHearsOfNoMark(t *testing.T) {
	got := Classify(testAgents(t), nil, Principal{Name: "alice", Vouched: true}, gate.Evidence{
		Principal: "alice", Key: fingerprint, Env: []string{"CLAUDECODE=1", "CLAUDE_CODE_SESSION_ID=7", "CURSOR_TRACE_ID=x"},
	})
	heard := strings.Join(got.Evidence, "\n")
	if strings.Contains(heard, "CLAUDE") || !strings.Contains(heard, "a variable that the client sent is a mark of Claude Code") || !strings.Contains(heard, "CURSOR_TRACE_ID") {
		t.Errorf("it hears %q", heard)
	}
	if want := []string{"the client sent CLAUDECODE=1: a mark of Claude Code", "the client sent CLAUDE_CODE_SESSION_ID: a mark of Claude Code"}; !slices.Equal(got.Marks, want) {
		t.Errorf("the record has %q", got.Marks)
	}
	e, attestors := spoken(t, func(s *Statement) {
		s.Verdict, s.Agent, s.Reasons = ByAgent, "Claude Code", []string{"process 6 is Claude Code: comm claude"}
	})
	got = Classify(testAgents(t), attestors, Principal{Name: "alice"}, e)
	if heard := strings.Join(got.Evidence, "\n"); strings.Contains(heard, "comm") || !strings.Contains(heard, "says: agent") {
		t.Errorf("it hears %q", heard)
	}
	if len(got.Marks) != 1 || !strings.HasSuffix(got.Marks[0], "says: process 6 is Claude Code: comm claude") {
		t.Errorf("the record has %q", got.Marks)
	}
	e, attestors = spoken(t, func(s *Statement) {
		s.Verdict, s.Reasons = Unverified, []string{"process 2 was started by systemd --user"}
	})
	if got := Classify(testAgents(t), attestors, Principal{Name: "alice"}, e); !strings.Contains(strings.Join(got.Evidence, "\n"), "systemd --user") {
		t.Errorf("who is not seen does not hear why: %q", got.Evidence)
	}
}

// What a client may choose must not depend on the order in which it or the data file chooses to say it.
func TestOrderOfAgentsNeverShows(t *testing.T) {
	agents := testAgents(t)
	e := gate.Evidence{Principal: "alice", Key: fingerprint, Env: []string{"AGENT=amp", "CURSOR_TRACE_ID=1", "CLAUDE_CODE_SESSION_ID=5"}}
	want := Classify(agents, nil, Principal{Name: "alice", Vouched: true}, e)
	for range 50 {
		rand.Shuffle(len(agents), func(i, j int) { agents[i], agents[j] = agents[j], agents[i] })
		if got := Classify(agents, nil, Principal{Name: "alice", Vouched: true}, e); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
}

func TestGroupsAreTheCallersOwn(t *testing.T) {
	principal := Principal{Name: "alice", Groups: []string{"backend"}}
	got := Classify(nil, nil, principal, gate.Evidence{Principal: "alice", Key: fingerprint})
	got.Groups[0] = "root"
	if principal.Groups[0] != "backend" {
		t.Fatal("a caller can change the groups of a principal")
	}
}

func TestParseMark(t *testing.T) {
	for _, good := range []string{"A", "_A1", "A=1", "A=1=2", "A~x y", "A=~"} {
		m, err := ParseMark(good)
		if err != nil || m.String() != good {
			t.Errorf("ParseMark(%q) = %q, %v", good, m, err)
		}
	}
	for _, bad := range []string{"", "=", "=1", "A=", "A~", "1A", "A B", "A-B=1", "Ä"} {
		if m, err := ParseMark(bad); err == nil {
			t.Errorf("ParseMark(%q) = %q, want an error", bad, m)
		}
	}
}

func TestCheckAgent(t *testing.T) {
	for _, bad := range []Agent{
		{}, {Mixed: []Mark{{Name: "A"}}}, {Comm: []string{"sixteen-bytes-ab"}}, {Exe: []string{"bin/x"}}, {Argv: []string{""}},
	} {
		if bad.Check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
	if err := (Agent{Comm: []string{"fifteen-bytes-a"}}).Check(); err != nil {
		t.Error(err)
	}
}

// FuzzClassify tries what any client may send: only a vouched key without a decisive mark may come out as a person.
func FuzzClassify(f *testing.F) {
	f.Add("alice", fingerprint, "CLAUDECODE=1\nLANG=C", true)
	f.Add("alice", fingerprint, "CURSOR_TRACE_ID=1", true)
	f.Add("", "", "=\n\x00", false)
	agents := testAgents(f)
	f.Fuzz(func(t *testing.T, name, key, lines string, vouched bool) {
		env := strings.Split(lines, "\n")
		got := Classify(agents, nil, Principal{Name: "alice", Vouched: vouched}, gate.Evidence{Principal: name, Key: key, Env: env})
		if got.Kind == gate.Human && (!vouched || name != "alice" || key == "" || got.Agent != "") {
			t.Fatalf("a person without proof: %+v", got)
		}
		if slices.Contains(env, "CLAUDECODE=1") && (got.Kind != gate.Agent || got.Agent == "") {
			t.Fatalf("a mark was overlooked: %+v", got)
		}
		for _, sentence := range got.Evidence {
			if sentence != gate.Printable(sentence) {
				t.Fatalf("the evidence is not printable: %q", sentence)
			}
		}
	})
}
