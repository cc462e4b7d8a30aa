package policyd_test

import (
	"testing"

	"forkgate/gate"
	"forkgate/gate/policy"
	policyd "forkgate/policy.d"
)

// Each refusal is by the rule that says best what is in the way. The policy's own tests do not ask for that, as a rule of the operator's may answer
// instead.
func TestWhichRuleForbids(t *testing.T) {
	p := shipped(t)
	agent := func(change func(*gate.Caller)) gate.Caller {
		c := gate.Caller{Principal: "alice", Class: gate.ClassKey}
		change(&c)
		return c
	}
	const general = "agents-keep-out-of-production"
	entered := alices
	entered.Entered = true
	for _, c := range []struct {
		caller gate.Caller
		op     gate.Op
		target gate.Target
		rule   string
	}{
		{agent(func(*gate.Caller) {}), "shell", grand, general},
		{agent(func(c *gate.Caller) { c.Override.Repos = []string{"other"} }), "exec", grand, "agents-by-override-elsewhere"},
		{agent(func(c *gate.Caller) { c.Override.Repos = []string{"demo"} }), "forward-local", grand, general},
		{agent(func(c *gate.Caller) { c.Override.Refused = "set-by-agent" }), "shell", grand, "agents-by-own-override"},
		{agent(func(c *gate.Caller) { c.Override.Refused = "unattested" }), "shell", grand, "agents-by-override-unattested"},
		{agent(func(c *gate.Caller) { c.Attested = "unverified" }), "shell", grand, "agents-by-unverified-chain"},
		{agent(func(c *gate.Caller) { c.Shared = true }), "shell", grand, "agents-by-shared-connection"},
		{agent(func(c *gate.Caller) { c.Kind = gate.Human }), "agent-forward", entered, "no-ssh-agent-where-agents-were"},
	} {
		r := gate.Request{Caller: c.caller, Op: c.op, Target: c.target, Door: "ssh"}
		if d := p.Decide(r); d.Verdict != gate.Forbid || d.Rule != c.rule {
			t.Errorf("want %s\n%s", c.rule, p.Explain(r))
		}
	}
}

func TestLimitsOfForks(t *testing.T) {
	p := shipped(t)
	for _, kind := range []gate.Kind{gate.Agent, gate.Human} {
		r := gate.Request{Caller: gate.Caller{Principal: "alice", Kind: kind}, Op: "fork", Target: aliceNew, Door: "ssh"}
		want := gate.Limits{Quota: 20 << 30, Memory: 4 << 30, Pids: 2048, CPU: 200, Egress: []string{}, TTL: 72 * 3600, Renew: true}
		if kind == gate.Human {
			want.TTL = 336 * 3600
		}
		if d := p.Decide(r); d.Limits == nil || d.Limits.String() != want.String() {
			t.Errorf("want %s\n%s", want, p.Explain(r))
		}
	}
}

// Rules that an operator adds for everybody, and that come before the baseline's by name, keep it from loading only where they give another verdict.
func TestRulesOfAnOperator(t *testing.T) {
	const recorded = "permit \"agents-are-recorded\" {\n  when   = caller.kind == \"agent\" && target.fork && target.owner == caller.principal && contains([\"shell\", \"exec\"], op)\n  record = \"required\"\n}\n"
	beside := func(rule string) (*policy.Policy, error) {
		return policy.Load(policy.FS{FS: policyd.Files()}, policy.Text{Name: "local.hcl", Text: []byte(rule)})
	}
	for name, rule := range map[string]string{
		"recording":  recorded,
		"tightening": "permit \"a-fork-is-small\" {\n  when = op == \"fork\" && target.fork && target.owner == caller.principal && target.parent == target.repo\n  limits {\n    quota = \"1GiB\"\n  }\n}\n",
		"forbidding": "forbid \"agents-by-no-door\" {\n  when   = caller.kind == \"agent\" && target.grand && contains([\"shell\", \"forward-local\"], op) && door != \"operator\"\n  reason = \"no\"\n}\n",
	} {
		if _, err := beside(rule); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := beside(recorded)
	if err != nil {
		t.Fatal(err)
	}
	d := p.Decide(gate.Request{Caller: gate.Caller{Principal: "alice", Class: gate.ClassKey}, Op: "exec", Target: alices, Door: "ssh"})
	if d.Rule != "agents-are-recorded" || d.Record != gate.Required {
		t.Errorf("the operator's rule has no part in it: %+v", d)
	}
	for _, rule := range []string{
		"permit \"agents-enter\" {\n  when = target.grand\n}\n\nforbid \"people-stay-out\" {\n  when   = target.grand && caller.kind == \"human\" && door != \"operator\" && op != \"show\"\n  reason = \"no\"\n}\n",
		"permit \"agents-enter-others-forks\" {\n  when = caller.kind == \"agent\" && target.fork\n}\n",
	} {
		if _, err := beside(rule); err == nil {
			t.Errorf("it loads: %s", rule)
		}
	}
}
