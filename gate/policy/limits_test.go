package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"forkgate/gate"
	"forkgate/gate/policy"
)

// everything is a rule that speaks of all limits, so that no default stands for one.
const everything = `permit "everything" {
  when = op == "fork"
  limits {
    quota  = "64GiB"
    memory = "64GiB"
    pids   = 4096
    cpu    = 64
    io     = 10000
    egress = ["10.0.0.0/8", "192.0.2.0/24"]
  }
}
`

// limiting makes a permit of forks that speaks of some limits, or of none.
func (d dice) limiting(n int) string {
	text := fmt.Sprintf("permit \"%s-%d\" {\n  when = op == \"fork\" && (%s)\n", d.pick("a", "m", "z"), n, d.pick("true", "target.fork",
		`caller.kind == "agent"`, `caller.principal == "alice"`, `target.repo == "demo"`))
	limits := ""
	for _, field := range []string{
		`quota = "` + d.pick("1GiB", "2GiB", "100GiB") + `"`, `memory = "` + d.pick("512MiB", "1GiB") + `"`, "pids = " + d.pick("64", "128"),
		"cpu = " + d.pick("0.5", "1", "3"), "io = " + d.pick("10", "100"),
		"egress = " + d.pick(`[]`, `["10.0.0.0/8", "192.0.2.0/24", "*"]`, `["10.0.0.0/8"]`, `["10.1.0.0/16:443", "192.0.2.0/24"]`),
	} {
		if d.IntN(3) == 0 {
			limits += "    " + field + "\n"
		}
	}
	if limits != "" {
		text += "  limits {\n" + limits + "  }\n"
	}
	return text + "}\n"
}

// TestLimitLaws: the order of rules never matters to limits, and a further permit never loosens what a rule has set.
func TestLimitLaws(t *testing.T) {
	tightened := 0
	for seed := range uint64(rounds) {
		d := dice{rand.New(rand.NewPCG(seed, 13))}
		rules := []string{everything}
		for n := range 1 + d.IntN(5) {
			rules = append(rules, d.limiting(n))
		}
		p, more := load(t, rules...), load(t, append(slices.Clone(rules), d.limiting(99))...)
		d.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
		shuffled := load(t, rules...)
		for range requests {
			r := d.request()
			before, after := p.Decide(r).Limits, more.Decide(r).Limits
			if diff := cmp.Diff(before, shuffled.Decide(r).Limits); diff != "" {
				t.Fatalf("order matters:\n%s", diff)
			}
			if (before != nil) != (r.Op == gate.OpFork && p.Decide(r).Verdict == gate.Permit) {
				t.Fatalf("%s has limits %v", r.Op, before)
			}
			if before != nil && looser(*after, *before) {
				t.Fatalf("a further permit loosens:\n%s\nbefore:\n%s", more.Explain(r), p.Explain(r))
			}
			if before != nil && looser(*before, *after) {
				tightened++
			}
		}
	}
	if tightened == 0 {
		t.Error("no permit ever made a difference: this test tried nothing")
	}
}

// looser reports whether a allows anything that b does not.
func looser(a, b gate.Limits) bool {
	for _, pair := range [][2]uint64{{a.Quota, b.Quota}, {a.Memory, b.Memory}, {a.Pids, b.Pids}, {a.CPU, b.CPU}, {a.IO, b.IO}} {
		if pair[0] > pair[1] {
			return true
		}
	}
	// Each of these lists is one of few: what they allow is told by hand.
	rank := func(egress []string) int {
		switch fmt.Sprint(egress) {
		case "[]":
			return 0
		case "[10.1.0.0/16:443]":
			return 1
		case "[10.0.0.0/8]", "[10.1.0.0/16:443 192.0.2.0/24]":
			return 2
		}
		return 3
	}
	return rank(a.Egress) > rank(b.Egress)
}

func TestOnlyForksHaveLimits(t *testing.T) {
	p := load(t, `permit "a" { 
  when = true
}
`)
	for _, op := range gate.Ops() {
		q := policy.Question{Caller: "alice", Op: string(op), Target: "demo:x"}
		if op.AboutSession() {
			q.Asker = "bob"
		}
		r, err := p.Request(q)
		if err != nil {
			t.Fatal(err)
		}
		d := p.Decide(r)
		if (d.Limits != nil) != (op == gate.OpFork) {
			t.Errorf("%s has limits %v", op, d.Limits)
		}
		if op == gate.OpFork && cmp.Diff(*d.Limits, policy.DefaultLimits()) != "" {
			t.Errorf("where no rule speaks: %s", d.Limits)
		}
	}
}

func TestRepositoriesAndPods(t *testing.T) {
	p, err := policy.Load(readFile(t, "common.hcl"), readFile(t, "good/limits.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	want := policy.Repository{
		Publish: []string{"443:8443/tcp", "443:8443/udp"}, Autostart: true, Linger: 90 * time.Minute,
		Limits: gate.Limits{Memory: 8 << 30, Pids: 10000, CPU: 400, IO: 1000, Egress: []string{"*"}},
	}
	if diff := cmp.Diff(want, p.Repository("demo")); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"shop", "unheard-of"} {
		if diff := cmp.Diff(policy.Repository{Linger: policy.DefaultLinger}, p.Repository(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := p.Autostart(); !slices.Equal(got, []string{"demo"}) {
		t.Errorf("these start with the host: %q", got)
	}
	if diff := cmp.Diff(policy.Pods{Idle: 45 * time.Minute, Resolvers: []string{"192.0.2.53", "2001:db8::53"}, Forks: 20, Quota: 100 << 30, Running: 4, Evict: true}, p.Pods()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(policy.Pods{Idle: policy.DefaultIdle, Forks: policy.DefaultForks}, load(t, everything).Pods()); diff != "" {
		t.Error(diff)
	}
	// What is handed out is the caller's own.
	p.Repository("demo").Limits.Egress[0], p.Pods().Resolvers[0] = "changed", "changed"
	if p.Repository("demo").Limits.Egress[0] != "*" || p.Pods().Resolvers[0] != "192.0.2.53" {
		t.Error("a caller can change the policy")
	}
}

func TestExplainShowsLimits(t *testing.T) {
	p := load(t, everything, `permit "agents" {
  when = caller.kind == "agent" && op == "fork"
  limits {
    quota = "1GiB"
    cpu   = 0.5
  }
}
`)
	r, err := p.Request(policy.Question{Caller: "agent:alice", Op: "fork", Target: "demo:x"})
	if err != nil {
		t.Fatal(err)
	}
	want := `agent alice (class 2, key) asks for fork on demo:x
  permit "agents" at rules.hcl:13, limits: quota 1GiB, cpu 0.5
  permit "everything" at rules.hcl:1, limits: quota 64GiB, memory 64GiB, pids 4096, cpu 64, io weight 10000, egress 10.0.0.0/8 192.0.2.0/24
answer: permit by "agents"
limits: quota 1GiB, memory 64GiB, pids 4096, cpu 0.5, io weight 10000, egress 10.0.0.0/8 192.0.2.0/24
`
	if diff := cmp.Diff(want, p.Explain(r).String()); diff != "" {
		t.Error(diff)
	}
}
