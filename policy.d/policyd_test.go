package policyd_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/policy"
	"forkgate/gate/provenance"
	policyd "forkgate/policy.d"
)

// shipped loads the shipped policy with the example principals, which runs the policy's own tests.
func shipped(t testing.TB) *policy.Policy {
	t.Helper()
	example, err := os.ReadFile("principals.hcl.example")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Load(policy.FS{FS: policyd.Files(), Prefix: "policy.d"}, policy.Text{Name: "principals.hcl", Text: example})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestShippedPolicyLoads(t *testing.T) {
	if s := shipped(t).Summary(); s.Tests < 8 || s.Principals != 3 {
		t.Errorf("got %v", s)
	}
	if _, err := policy.Load(policy.FS{FS: policyd.Files()}); err != nil {
		t.Errorf("it does not load without principals: %v", err)
	}
	if _, err := policy.Load(policy.Disk{Path: ".", AnyOwner: true}); err != nil {
		t.Errorf("it does not load from disk: %v", err)
	}
}

var (
	inside   = []gate.Op{"shell", "exec", "sftp", "forward-local", "forward-remote", "forward-unix"}
	grand    = gate.Target{GUID: "1", Repo: "demo", Grand: true}
	bobs     = gate.Target{GUID: "3", Repo: "demo", Tag: "x", Fork: true, Owner: "bob", Parent: "demo"}
	alices   = gate.Target{GUID: "2", Repo: "demo", Tag: "x", Fork: true, Owner: "alice", Parent: "demo"}
	aliceNew = gate.ForkOf(grand, "new", "alice")
)

// In an emergency everybody is kept out by one rule: it loads beside what is shipped, whose own tests expect that people come in. The same
// without the word is taken for a mistake.
func TestLockdown(t *testing.T) {
	const rule = "forbid \"nobody-tonight\" {\n  when   = door != \"operator\"\n  reason = \"closed\"\n  lockdown = %v\n}\n"
	with := func(lockdown bool) (*policy.Policy, error) {
		return policy.Load(policy.FS{FS: policyd.Files()}, policy.Text{Name: "local.hcl", Text: fmt.Appendf(nil, rule, lockdown)})
	}
	p, err := with(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []gate.Kind{gate.Human, gate.Agent} {
		for _, op := range gate.Ops() {
			r := gate.Request{Caller: gate.Caller{Principal: "alice", Kind: kind}, Op: op, Target: gate.Target{Repo: "shop", Grand: true}, Door: policy.DoorSSH}
			if d := p.Decide(r); d.Verdict != gate.Forbid || d.Rule == "" {
				t.Errorf("%s of %s: %+v", op, kind, d)
			}
			if r.Door = policy.DoorOperator; kind == gate.Human && p.Decide(r).Verdict != gate.Permit {
				t.Errorf("the operator is kept from %s", op)
			}
		}
	}
	if _, err := with(false); err == nil {
		t.Error("without the word it loads")
	}
}

// The baseline as a matrix: exactly these operations are permitted, whatever else there is.
func TestBaseline(t *testing.T) {
	agent := gate.Caller{Principal: "alice", Class: gate.ClassKey}
	human := gate.Caller{Principal: "alice", Class: gate.ClassKey, Kind: gate.Human}
	cases := []struct {
		name   string
		caller gate.Caller
		target gate.Target
		ops    []gate.Op
	}{
		{"an agent at production", agent, grand, []gate.Op{"list", "show"}},
		{"an agent in its fork", agent, alices, append([]gate.Op{"list", "show", "remove", "fork"}, inside...)},
		{"an agent at another's fork", agent, bobs, []gate.Op{"list"}},
		{"an agent and a fork to be", agent, aliceNew, append([]gate.Op{"list", "show", "remove", "fork"}, inside...)},
		{"an agent and nothing in particular", agent, gate.Target{}, []gate.Op{"list"}},
		{"a person at production", human, grand, []gate.Op{"list", "show", "shell", "exec", "sftp"}},
		{"a person in a fork of theirs", human, alices,
			append([]gate.Op{"list", "show", "remove", "fork", "agent-forward", "extend", "freeze", "tag", "settle", "scan"}, inside...)},
		{"a person at another's fork", human, bobs, []gate.Op{"list"}},
		{"an agent that makes a fork for another", agent, gate.ForkOf(grand, "new", "bob"), []gate.Op{"list"}},
		{"an agent that forks another's fork", agent, func() gate.Target {
			t := gate.ForkOf(bobs, "new", "alice")
			return t
		}(), append([]gate.Op{"list", "show", "remove"}, inside...)},
		{"an agent that forks its own fork", agent, gate.ForkOf(alices, "new", "alice"),
			append([]gate.Op{"list", "show", "remove", "fork"}, inside...)},
		{"nobody", gate.Caller{}, grand, nil},
		{"nobody, at a fork without an owner", gate.Caller{}, gate.Target{Repo: "demo", Tag: "x", Fork: true}, nil},
	}
	p := shipped(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			permitted := map[gate.Op]bool{}
			for _, op := range c.ops {
				permitted[op] = true
			}
			for _, op := range append(gate.Ops(), "", "SHELL") {
				r := gate.Request{Caller: c.caller, Op: op, Target: c.target, Door: "ssh"}
				if got := p.Decide(r).Verdict == gate.Permit; got != permitted[op] {
					t.Errorf("%s: permitted is %v\n%s", op, got, p.Explain(r))
				}
			}
		})
	}
}

func TestOperatorMayEverything(t *testing.T) {
	p := shipped(t)
	for _, target := range []gate.Target{grand, alices, {}} {
		for _, op := range gate.Ops() {
			r := gate.Request{Caller: gate.Caller{Principal: "root"}, Op: op, Target: target, Door: "operator"}
			if p.Decide(r).Verdict != gate.Permit {
				t.Errorf("%s\n%s", op, p.Explain(r))
			}
			if r.Door = "ssh"; p.Decide(r).Verdict == gate.Permit && op != "list" && op != "show" {
				t.Errorf("the name root alone opens %s", op)
			}
		}
	}
}

func TestWhatCallersHear(t *testing.T) {
	p := shipped(t)
	d := p.Decide(gate.Request{Caller: gate.Caller{Principal: "alice"}, Op: "shell", Target: grand, Door: "ssh"})
	if d.Reason != "demo is a grand (production) repository; agents work in forks" || d.Hint != "ssh demo+NAME@host" {
		t.Errorf("at production: %q, hint %q", d.Reason, d.Hint)
	}
	d = p.Decide(gate.Request{Caller: gate.Caller{Principal: "alice"}, Op: "exec", Target: bobs, Door: "ssh"})
	if want := "demo:x belongs to bob; no rule permits exec on demo:x for agent alice"; d.Reason != want {
		t.Errorf("at another's fork: %q, want %q", d.Reason, want)
	}
}

// marks is what the data file has to hold at least, written down a second time so that a lost row shows.
const marks = `Claude Code: CLAUDECODE=1 CLAUDE_CODE_ENTRYPOINT CLAUDE_CODE_SESSION_ID c:claude
Codex: CODEX_THREAD_ID CODEX_CI CODEX_SANDBOX CODEX_SANDBOX_NETWORK_DISABLED c:codex
Cursor: CURSOR_AGENT CURSOR_EXTENSION_HOST_ROLE=agent-exec p:cursor-agent m:CURSOR_TRACE_ID
Gemini: GEMINI_CLI=1 a:gemini
Antigravity: ANTIGRAVITY_AGENT
Copilot: COPILOT_CLI COPILOT_AGENT COPILOT_AGENT_SESSION_ID e:copilot
opencode: OPENCODE c:opencode
Kilo: KILO
Crush: CRUSH c:crush
Goose: GOOSE_TERMINAL c:goose
Amp: AGENT=amp AMP_CURRENT_THREAD_ID c:amp
Qwen: QWEN_CODE a:qwen
Auggie: AUGMENT_AGENT
Cline: CLINE_ACTIVE
Roo: ROO_CLI_RUNTIME
Kiro: KIRO_SESSION_ID c:kiro-cli
Amazon Q: AWS_EXECUTION_ENV~AmazonQ-For-CLI c:q c:qchat
Pi: PI_CODING_AGENT
Junie: JUNIE_DATA
Warp: OZ_RUN_ID
Trae: TRAE_AI_SHELL_ID
Hermes: HERMES_SESSION_ID
OpenClaw: OPENCLAW_SHELL
VTCode: VTCODE
iFlow: IFLOW_CLI
Droid: c:droid
Aider: c:aider
Rediacc: REDIACC_AGENT
an agent that gives no name: AI_AGENT AGENT`

func TestAgentsFileHoldsAllMarks(t *testing.T) {
	have := map[string]string{}
	for _, a := range shipped(t).Agents() {
		have[a.Name] = flat(a)
	}
	lines := strings.Split(marks, "\n")
	for _, line := range lines {
		name, want, _ := strings.Cut(line, ": ")
		has := strings.Fields(have[name])
		for _, mark := range strings.Fields(want) {
			if !slices.Contains(has, mark) {
				t.Errorf("%s has %q, want %q", name, have[name], want)
			}
		}
	}
	if len(have) != len(lines) {
		t.Errorf("the file has %d agents, the test %d", len(have), len(lines))
	}
}

func flat(a provenance.Agent) string {
	var all []string
	for _, m := range a.Env {
		all = append(all, m.String())
	}
	for _, names := range []struct {
		prefix string
		names  []string
	}{{"c:", a.Comm}, {"e:", a.Exe}, {"p:", a.Path}, {"a:", a.Argv}} {
		for _, name := range names.names {
			all = append(all, names.prefix+name)
		}
	}
	for _, m := range a.Mixed {
		all = append(all, "m:"+m.String())
	}
	return strings.Join(all, " ")
}

// Each variable of each agent makes an agent of the person whose vouched key signs beside it, by its exact name; and the same
// variable with a letter more, or a value that is not the mark's, leaves the person a person.
func TestEachMarkMakesAnAgent(t *testing.T) {
	p := shipped(t)
	caller := func(variable string) gate.Caller {
		alice, _ := p.PrincipalByName("alice")
		e := gate.Evidence{Principal: "alice", Key: "SHA256:k", Env: []string{"LANG=C", variable}}
		return provenance.Classify(p.Agents(), nil, alice, e)
	}
	value := func(m provenance.Mark) string {
		switch m.Match {
		case provenance.Exactly:
			return m.Value
		case provenance.Contains:
			return "before " + m.Value + " after"
		}
		return "anything"
	}
	for _, a := range p.Agents() {
		for _, m := range a.Env {
			if c := caller(m.Name + "=" + value(m)); c.Kind != gate.Agent || c.Agent != a.Name {
				t.Errorf("%s of %s: %s, %q", m, a.Name, c.Kind, c.Agent)
			}
			for _, no := range []string{m.Name + "X=" + value(m), "X" + m.Name + "=" + value(m), m.Name + "="} {
				if c := caller(no); c.Kind != gate.Human {
					t.Errorf("%s is taken for a mark of %s", no, c.Agent)
				}
			}
			// The generic marks take AGENT=other, as they should.
			if c := caller(m.Name + "=other"); m.Match != provenance.NonEmpty && m.Name != "AGENT" && c.Kind != gate.Human {
				t.Errorf("%s=other is taken for a mark of %s", m.Name, c.Agent)
			}
		}
		for _, m := range a.Mixed {
			if c := caller(m.Name + "=" + value(m)); c.Kind != gate.Human || len(c.Evidence) != 3 {
				t.Errorf("the mixed mark %s of %s decides: %+v", m, a.Name, c)
			}
		}
	}
}

// Nothing can be approved by the baseline, and nobody approves; what was granted by rules of an operator's is taken back by those whom it
// concerns. These are no tests of the policy itself: an operator's rules may change all but the last.
func TestNothingIsApprovable(t *testing.T) {
	p := shipped(t)
	for _, kind := range []gate.Kind{gate.Agent, gate.Human} {
		who := gate.Caller{Principal: "alice", Kind: kind, Class: gate.ClassPresence, Enrolled: true}
		for _, target := range []gate.Target{grand, bobs} {
			for _, op := range gate.Ops() {
				r := gate.Request{Caller: who, Op: op, Target: target, Door: "ssh"}
				without := p.Decide(r)
				if r.Grant = "g"; without.Approval != nil || p.Decide(r).Verdict != without.Verdict {
					t.Errorf("%s, %s on %s: a grant opens it\n%s", kind, op, target.Ref(), p.Explain(r))
				}
			}
			for _, op := range []gate.Op{gate.OpApprove, gate.OpRevoke} {
				r := gate.Request{Caller: who, Op: op, Target: target, Door: "ssh", Asker: "bob", Approver: "carol"}
				if p.Decide(r).Verdict == gate.Permit {
					t.Errorf("%s, %s on %s\n%s", kind, op, target.Ref(), p.Explain(r))
				}
				r.Asker, r.Approver = "alice", "alice"
				if got := p.Decide(r).Verdict == gate.Permit; got != (op == gate.OpRevoke) {
					t.Errorf("%s, %s of one's own on %s: %v\n%s", kind, op, target.Ref(), got, p.Explain(r))
				}
			}
		}
	}
}

// An operator adds two rules, and an agent's session in production waits for somebody whom he names, and for nobody else.
func TestTheExampleOfAnApproval(t *testing.T) {
	text, err := os.ReadFile("baseline.hcl")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "#   approve \"agents-enter-shop\"")
	commented, _, _ := strings.Cut("approve \"agents-enter-shop\""+after, "#\n# Whoever")
	example := policy.Text{Name: "example.hcl", Text: []byte(strings.ReplaceAll(commented, "#   ", "") +
		"\nprincipal \"owner\" {\n  groups = [\"shop-owners\"]\n}\nattestor \"a\" {\n  key = \"" + anyKey + "\"\n  principals = { \"1\" = \"owner\" }\n}\n")}
	p, err := policy.Load(policy.FS{FS: policyd.Files()}, example)
	if err != nil {
		t.Fatal(err)
	}
	shop := gate.Target{GUID: "4", Repo: "shop", Grand: true}
	agent := gate.Caller{Principal: "alice", Class: gate.ClassKey}
	for _, c := range []struct {
		name string
		gate.Request
		verdict    gate.Verdict
		approvable bool
	}{
		{"an agent at shop", gate.Request{Caller: agent, Op: "exec", Target: shop}, gate.Forbid, true},
		{"with a grant", gate.Request{Caller: agent, Op: "exec", Target: shop, Grant: "g"}, gate.Permit, false},
		{"files", gate.Request{Caller: agent, Op: "sftp", Target: shop}, gate.Forbid, false},
		{"files, with a grant", gate.Request{Caller: agent, Op: "sftp", Target: shop, Grant: "g"}, gate.Forbid, false},
		{"removal, with a grant", gate.Request{Caller: agent, Op: "remove", Target: shop, Grant: "g"}, gate.Forbid, false},
		{"a forward, with a grant", gate.Request{Caller: agent, Op: "forward-local", Target: shop, Grant: "g"}, gate.Forbid, false},
		{"elsewhere", gate.Request{Caller: agent, Op: "exec", Target: grand}, gate.Forbid, false},
		{"who may approve", gate.Request{Caller: gate.Caller{Principal: "owner", Kind: gate.Human, Groups: []string{"shop-owners"}}, Op: "approve", Target: shop}, gate.Permit, false},
		{"who may not", gate.Request{Caller: gate.Caller{Principal: "bob", Kind: gate.Human}, Op: "approve", Target: shop}, gate.Forbid, false},
	} {
		c.Door = "ssh"
		if d := p.Decide(c.Request); d.Verdict != c.verdict || (d.Approval != nil) != c.approvable {
			t.Errorf("%s: %s, approvable %v\n%s", c.name, d.Verdict, d.Approval != nil, p.Explain(c.Request))
		}
	}
}

const anyKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDI/kXM5byMqO+aSicmtMhyHHdQ6sfTdr1xNXbNyrYpQ"
