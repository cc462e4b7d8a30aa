package policy_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"forkgate/gate"
	"forkgate/gate/policy"
)

// FuzzLoad: whatever the file, Load returns a policy or complaints that can be shown, and a policy that has loaded decides.
func FuzzLoad(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*/*.hcl")
	for _, path := range append(paths, "testdata/common.hcl", "../../policy.d/baseline.hcl") {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := policy.Load(policy.Text{Name: "fuzz.hcl", Text: text})
		if err != nil {
			var load *policy.LoadError
			if p != nil || !errors.As(err, &load) || len(load.Problems()) == 0 || err.Error() == "" {
				t.Fatalf("policy %v, error %v", p, err)
			}
			return
		}
		r := gate.Request{Caller: gate.Caller{Principal: "alice"}, Op: gate.OpShell, Target: gate.Target{Repo: "demo", Grand: true}}
		if e := p.Explain(r); e.Decision.Verdict == gate.Permit && e.Decision.Rule == "" {
			t.Fatalf("permitted by no rule: %+v", e)
		}
	})
}

// FuzzDecide: no request that an agent can make opens a grand repository, and the index agrees with the rules.
func FuzzDecide(f *testing.F) {
	p, err := policy.Load(policy.Disk{Path: "../../policy.d", AnyOwner: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("alice", "oncall", "shell", "demo", "", "alice", "demo", "ssh", "id", []byte{10, 0, 0, 1}, byte(2), byte(1))
	f.Fuzz(func(t *testing.T, who, group, op, repo, tag, owner, parent, door, command string, ip []byte, class, bits byte) {
		addr, _ := netip.AddrFromSlice(ip)
		r := gate.Request{
			Caller: gate.Caller{Principal: who, Groups: []string{group}, Class: gate.Class(class), Kind: gate.Kind(bits >> 2 & 1)},
			Target: gate.Target{Repo: repo, Tag: tag, Owner: owner, Parent: parent, Grand: bits&1 != 0, Fork: bits&2 != 0},
			Op:     gate.Op(op), Source: addr, Door: door, Command: command,
		}
		e := p.Explain(r)
		if len(e.Matched) > 0 && (e.Matched[0].Rule != e.Decision.Rule || e.Matched[0].Effect != e.Decision.Verdict.String()) {
			t.Fatalf("index and rules differ:\n%s", e)
		}
		entering := op != "list" && op != "show"
		if r.Caller.Kind == gate.Agent && r.Target.Grand && entering && door != "operator" && e.Decision.Verdict == gate.Permit {
			t.Fatalf("an agent in production:\n%s", e)
		}
		if e.Decision.Verdict == gate.Forbid && e.Decision.Reason == "" {
			t.Fatalf("refused without a reason: %+v", e)
		}
	})
}

// thousand is a policy of 1,000 rules for as many repositories.
func thousand(b *testing.B) *policy.Policy {
	var rules []string
	for n := range 500 {
		rules = append(rules, fmt.Sprintf("permit \"p%d\" { when = caller.kind == \"agent\" && op == \"shell\" && target.repo == \"r%d\" }", n, n))
		rules = append(rules, fmt.Sprintf("forbid \"f%d\" {\n when = op == \"remove\" && target.repo == \"r%d\"\n reason = \"no\"\n}", n, n))
	}
	return load(b, rules...)
}

func BenchmarkDecide(b *testing.B) {
	baseline, err := policy.Load(policy.Disk{Path: "../../policy.d", AnyOwner: true})
	if err != nil {
		b.Fatal(err)
	}
	agent := gate.Caller{Principal: "alice", Class: gate.ClassKey}
	fork := gate.Target{GUID: "1", Repo: "demo", Tag: "x", Fork: true, Owner: "alice", Parent: "demo"}
	many := thousand(b)
	for _, c := range []struct {
		name string
		p    *policy.Policy
		r    gate.Request
		want gate.Verdict
	}{
		{"baseline/permit", baseline, gate.Request{Caller: agent, Op: gate.OpShell, Target: fork, Door: "ssh"}, gate.Permit},
		{"baseline/forbid", baseline, gate.Request{Caller: agent, Op: gate.OpShell, Target: gate.Target{Repo: "demo", Grand: true}, Door: "ssh"}, gate.Forbid},
		{"1000/last", many, gate.Request{Caller: agent, Op: gate.OpShell, Target: gate.Target{Repo: "r499", Grand: true}, Door: "ssh"}, gate.Permit},
		{"1000/none", many, gate.Request{Caller: agent, Op: gate.OpList, Target: gate.Target{Repo: "r499", Grand: true}, Door: "ssh"}, gate.Forbid},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if c.p.Decide(c.r).Verdict != c.want {
					b.Fatal("another verdict")
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		thousand(b)
	}
}
