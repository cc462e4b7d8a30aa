package policy_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"forkgate/gate"
	"forkgate/gate/policy"
)

// dice makes rules and requests at random.
type dice struct{ *rand.Rand }

func (d dice) pick(words ...string) string { return words[d.IntN(len(words))] }

func (d dice) atom() string {
	return d.pick(
		`caller.kind == "agent"`, `caller.kind != "agent"`, `op == "shell"`, `op != "exec"`, `contains(["fork", "shell", "list"], op)`,
		`glob(op, "forward-*")`, `target.grand`, `!target.fork`, `target.owner == caller.principal`, `target.repo == "demo"`,
		`startswith(target.tag, "ci-")`, `caller.principal == "alice"`, `contains(caller.groups, "oncall")`, `!contains(caller.groups, "oncall")`, `contains(caller.groups, "backend")`, `caller.class >= 2`,
		`caller.class < 1`, `target.repo != "demo"`, `contains(["demo", "third"], target.repo)`, `contains(["bob", "alice"], caller.principal)`, `door == "operator"`, `cidr(source.ip, "10.0.0.0/8")`, `!cidr(source.ip, "10.0.0.0/8")`, `true`,
		`glob(target.repo, "*m?")`, `startswith(target.repo, "de")`, `glob(target.repo, "o*")`, `glob(target.tag, "ci-*")`, `cidr(source.ip, ["10.1.0.0/16", "192.0.2.0/24"])`,
	)
}

func (d dice) condition(depth int) string {
	switch {
	case depth == 0 || d.IntN(3) == 0:
		return d.atom()
	case d.IntN(4) == 0:
		return "!(" + d.condition(depth-1) + ")"
	}
	return "(" + d.condition(depth-1) + d.pick(" && ", " || ") + d.condition(depth-1) + ")"
}

// rule makes one that loads.
func (d dice) rule(t *testing.T, effect string, n int) string {
	for {
		text := fmt.Sprintf("%s \"%s-%d\" {\n  when = %s\n", effect, d.pick("a", "m", "z"), n, d.condition(3))
		switch {
		case effect == "forbid":
			text += "  reason = \"no\"\n"
		case effect == "permit" && d.IntN(3) == 0:
			text += fmt.Sprintf("  require {\n    evidence = %d\n  }\n", 1+d.IntN(2))
		}
		text += "}\n"
		if _, err := policy.Load(readFile(t, "common.hcl"), policy.Text{Name: "r.hcl", Text: []byte(text)}); err == nil {
			return text
		} else if !slices.ContainsFunc([]string{"Can never match", "Approval without effect", "Never takes effect"}, func(why string) bool { return strings.Contains(err.Error(), why) }) {
			t.Fatal(err)
		}
	}
}

// loaded loads rules of which none keeps another from having any effect, which is no policy; it is nil for others.
func (d dice) loaded(t *testing.T, rules []string) *policy.Policy {
	t.Helper()
	p, err := policy.Load(readFile(t, "common.hcl"), policy.Text{Name: "r.hcl", Text: []byte(strings.Join(rules, "\n"))})
	if err != nil && !strings.Contains(err.Error(), "Never takes effect") {
		t.Fatal(err)
	}
	return p
}

func (d dice) request() gate.Request {
	r := gate.Request{
		Caller: gate.Caller{Principal: d.pick("alice", "bob", "root"), Kind: gate.Kind(d.IntN(2)), Class: gate.Class(d.IntN(3))},
		Op:     gate.Ops()[d.IntN(len(gate.Ops()))], Door: d.pick("ssh", "operator"),
	}
	if d.IntN(2) == 0 {
		r.Caller.Groups = []string{"oncall"}
	}
	switch repo := d.pick("demo", "other"); d.IntN(3) {
	case 0:
		r.Target = gate.Target{Repo: repo, Grand: true}
	case 1:
		r.Target = gate.Target{Repo: repo, Tag: d.pick("ci-1", "x"), Fork: true, Owner: d.pick("alice", "bob"), Parent: repo}
	}
	switch d.IntN(3) {
	case 0:
		r.Source = netip.MustParseAddr("10.1.2.3")
	case 1:
		r.Source = netip.MustParseAddr("192.0.2.1")
	}
	return r
}

const rounds, requests = 60, 200

// TestLaws: the order of rules and files never matters, a further forbid and a permit less never permit what was forbidden,
// and the index never hides a rule.
func TestLaws(t *testing.T) {
	for seed := range uint64(rounds) {
		d := dice{rand.New(rand.NewPCG(seed, 7))}
		var rules []string
		var p, less *policy.Policy
		for p == nil {
			rules = nil
			for n := range 2 + d.IntN(6) {
				rules = append(rules, d.rule(t, d.pick("permit", "forbid", "approve"), n))
			}
			p = d.loaded(t, rules)
		}
		for less == nil {
			less = d.loaded(t, append(slices.Clone(rules), d.rule(t, "forbid", 99)))
		}
		if i := slices.IndexFunc(rules, func(r string) bool { return strings.HasPrefix(r, "permit") }); i >= 0 {
			checkNeverMore(t, d, p, load(t, slices.Delete(slices.Clone(rules), i, i+1)...))
		}
		checkNeverMore(t, d, p, less)
		checkOrder(t, d, p, rules)
		checkIndex(t, d, p)
		checkApprovals(t, d, p)
	}
}

// checkApprovals: a request is called approvable exactly where it is forbidden, a session, spoken of by an approve rule, and permitted with
// a grant.
func checkApprovals(t *testing.T, d dice, p *policy.Policy) {
	t.Helper()
	for range requests {
		r := d.request()
		e, granted := p.Explain(r), r
		granted.Grant = "g"
		spoken := slices.ContainsFunc(e.Matched, func(m policy.Matched) bool { return m.Effect == "approve" })
		session := slices.Contains([]gate.Op{gate.OpShell, gate.OpExec, gate.OpSFTP}, r.Op)
		want := e.Decision.Verdict == gate.Forbid && session && spoken && p.Decide(granted).Verdict == gate.Permit
		if got := e.Decision.Approval != nil; got != want {
			t.Fatalf("approvable is %v:\n%s", got, e)
		}
		if !spoken && p.Decide(granted).Verdict != e.Decision.Verdict {
			t.Fatalf("a grant changes what no approve rule speaks of:\n%s", e)
		}
	}
}

func checkNeverMore(t *testing.T, d dice, p, less *policy.Policy) {
	t.Helper()
	for range requests {
		if r := d.request(); less.Decide(r).Verdict == gate.Permit && p.Decide(r).Verdict == gate.Forbid {
			t.Fatalf("less permits more:\n%s\nbefore:\n%s", less.Explain(r), p.Explain(r))
		}
	}
}

func checkOrder(t *testing.T, d dice, p *policy.Policy, rules []string) {
	t.Helper()
	shuffled := slices.Clone(rules)
	d.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	sources := []policy.Source{readFile(t, "common.hcl")}
	for i, rule := range shuffled {
		sources = append(sources, policy.Text{Name: fmt.Sprint(i), Text: []byte(rule)})
	}
	d.Shuffle(len(sources), func(i, j int) { sources[i], sources[j] = sources[j], sources[i] })
	other, err := policy.Load(sources...)
	if err != nil {
		t.Fatal(err)
	}
	for range requests {
		r := d.request()
		a, b := p.Decide(r), other.Decide(r)
		a.Where, b.Where = "", ""
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("order matters:\n%s", diff)
		}
	}
}

// checkIndex derives the decision from all rules that match.
func checkIndex(t *testing.T, d dice, p *policy.Policy) {
	t.Helper()
	for range requests {
		e := p.Explain(d.request())
		want := policy.Matched{Effect: "forbid"}
		if len(e.Matched) > 0 {
			want = e.Matched[0]
		}
		if want.Effect == "approve" { // with a grant, of which these requests have none
			want = policy.Matched{Effect: "forbid"}
		}
		if e.Decision.Rule != want.Rule || e.Decision.Verdict.String() != want.Effect {
			t.Fatalf("the decision is not that of the rules:\n%s", e)
		}
	}
}

// TestNothingAliveIsCalledDead: a condition that matches some request loads, and one that loads alone matches in Explain
// wherever the plain reading of its parts does. Random conditions are refused only when no random request matches them.
func TestNothingAliveIsCalledDead(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(1, 2))}
	refusedOnes := 0
	for range 400 {
		when := d.condition(3)
		rule := func(when string) policy.Text {
			return policy.Text{Name: "r.hcl", Text: []byte("permit \"it\" {\n  when = " + when + "\n}\n")}
		}
		if _, err := policy.Load(readFile(t, "common.hcl"), rule(when)); err == nil {
			continue
		}
		refusedOnes++
		// Its negation loads, and has to match everything.
		p, err := policy.Load(readFile(t, "common.hcl"), rule("!("+when+")"))
		if err != nil {
			t.Fatalf("neither %s nor its negation: %v", when, err)
		}
		for range requests {
			r := d.request()
			if !r.Source.IsValid() && strings.Contains(when, "source.ip") {
				continue // a missing fact matches no permit, negated or not
			}
			if !slices.ContainsFunc(p.Explain(r).Matched, func(m policy.Matched) bool { return m.Rule == "it" }) {
				t.Fatalf("%s was called dead, and matches %+v", when, r)
			}
		}
	}
	if refusedOnes == 0 {
		t.Error("the dice made no dead condition: this test tried nothing")
	}
}
