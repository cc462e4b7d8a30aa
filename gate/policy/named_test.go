package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/policy"
)

// Each place where a rule names a repository is known, whichever fact it is compared with, and what does not exist is told of with a guess.
func TestNamedRepositories(t *testing.T) {
	p, err := policy.Load(readFile(t, "common.hcl"), readFile(t, "good/named.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range p.NamedRepositories() {
		got = append(got, fmt.Sprintf("%s %s:%d:%d %s %s", n.Repo, n.File, n.Line, n.Column, n.Effect, n.Rule))
	}
	for _, want := range []string{
		"shop named.hcl:9:25 permit shop", "shop named.hcl:13:27 permit forks-of-shop", "shpo named.hcl:17:22 forbid misspelt",
		"payrol named.hcl:22:26 forbid missing-a-letter", "payrolls named.hcl:27:43 forbid not-this",
	} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%s is not among\n%s", want, strings.Join(got, "\n"))
		}
	}
	missing := p.Missing([]string{"shop", "payroll", "payrolls", "team-a", "team-b", "web1", "web2", "shopping"})
	if len(missing) != 2 || missing[0].Line != 17 || !strings.Contains(missing[0].Detail, `Did you mean "shop"?`) ||
		missing[1].Line != 22 || !strings.Contains(missing[1].Detail, `Did you mean "payroll"?`) {
		t.Errorf("missing are %+v", missing)
	}
	if all := p.Missing(nil); len(all) != len(got) {
		t.Errorf("where there is none, %d of %d are missing", len(all), len(got))
	}
}

// That the last member of a group has left it, or that a principal is gone, is in force with the load that says so: it is what keeps them out.
func TestTheLastOfAGroupLeaves(t *testing.T) {
	const rules = `permit "ops-enter" {
  when = contains(caller.groups, "ops") && op == "shell"
}
permit "operator" {
  when = door == "operator"
}
`
	const one = "principal \"carol\" {\n  keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDI/kXM5byMqO+aSicmtMhyHHdQ6sfTdr1xNXbNyrYpQ\"]\n  groups = [%s]\n}\n"
	enters := func(groups string) gate.Verdict {
		p, err := policy.Load(policy.Text{Name: "rules.hcl", Text: []byte(rules + fmt.Sprintf(one, groups))})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Request(policy.Question{Caller: "carol", Op: "shell", Target: "demo"})
		if err != nil {
			t.Fatal(err)
		}
		return p.Decide(r).Verdict
	}
	if enters(`"ops"`) != gate.Permit {
		t.Error("a member of ops is kept out")
	}
	if enters(``) != gate.Forbid || enters(`"dev"`) != gate.Forbid {
		t.Error("who is in ops no more enters")
	}
}
