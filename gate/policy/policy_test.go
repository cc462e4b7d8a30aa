package policy_test

import (
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/policy"
)

// load loads the corpus' common policy with rules beside it.
func load(t testing.TB, rules ...string) *policy.Policy {
	t.Helper()
	p, err := policy.Load(readFile(t, "common.hcl"), policy.Text{Name: "rules.hcl", Text: []byte(strings.Join(rules, "\n"))})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// keyOf reads the first key of a principal out of the common policy.
func keyOf(t testing.TB, principal string) ssh.PublicKey {
	t.Helper()
	_, after, _ := strings.Cut(string(readFile(t, "common.hcl").Text), `principal "`+principal+`"`)
	_, after, _ = strings.Cut(after, "ssh-ed25519 ")
	blob, err := base64.StdEncoding.DecodeString(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var _ gate.Judge = (*policy.Policy)(nil)
var _ gate.Witness = (*policy.Policy)(nil)

func TestPrincipalByKey(t *testing.T) {
	p := load(t)
	alice, ok := p.Principal(keyOf(t, "alice").Marshal())
	if !ok || alice.Name != "alice" || !alice.Vouched || len(alice.Groups) != 2 {
		t.Errorf("got %+v, %v", alice, ok)
	}
	bob, ok := p.Principal(keyOf(t, "bob").Marshal())
	if !ok || bob.Name != "bob" || bob.Vouched {
		t.Errorf("got %+v, %v", bob, ok)
	}
	for _, key := range [][]byte{nil, {}, []byte("x"), append(keyOf(t, "bob").Marshal(), 0), keyOf(t, "bob").Marshal()[1:]} {
		if who, ok := p.Principal(key); ok || who.Name != "" || who.Vouched {
			t.Errorf("%q is %+v's key", key, who)
		}
	}
	alice.Groups[0] = "root"
	if again, _ := p.PrincipalByName("alice"); again.Groups[0] != "backend" {
		t.Error("a principal can be changed from outside")
	}
}

func TestCaller(t *testing.T) {
	p := load(t)
	alice, bob := ssh.FingerprintSHA256(keyOf(t, "alice")), ssh.FingerprintSHA256(keyOf(t, "bob"))
	cases := []struct {
		name      string
		evidence  gate.Evidence
		principal string
		kind      gate.Kind
	}{
		{"a vouched key", gate.Evidence{Principal: "alice", Key: alice}, "alice", gate.Human},
		{"a key", gate.Evidence{Principal: "bob", Key: bob}, "bob", gate.Agent},
		{"a mark", gate.Evidence{Principal: "alice", Key: alice, Env: []string{"CLAUDECODE=1"}}, "alice", gate.Agent},
		{"another's key", gate.Evidence{Principal: "alice", Key: bob}, "", gate.Agent},
		{"a key that was taken away", gate.Evidence{Principal: "alice", Key: "SHA256:gone"}, "", gate.Agent},
		{"no key", gate.Evidence{Principal: "root", Door: "operator"}, "root", gate.Agent},
		{"a principal of no file, with a key", gate.Evidence{Principal: "eve", Key: bob}, "", gate.Agent},
	}
	for _, c := range cases {
		if got := p.Caller(c.evidence); got.Principal != c.principal || got.Kind != c.kind {
			t.Errorf("%s: %q, %s", c.name, got.Principal, got.Kind)
		}
	}
}

func TestZeroPolicyForbids(t *testing.T) {
	var p policy.Policy
	for _, op := range gate.Ops() {
		r := gate.Request{Caller: gate.Caller{Principal: "root", Kind: gate.Human}, Op: op, Door: "operator"}
		if d := p.Decide(r); d.Verdict != gate.Forbid || d.Reason == "" {
			t.Errorf("%s: %+v", op, d)
		}
	}
	if c := p.Caller(gate.Evidence{Principal: "alice", Key: "SHA256:x"}); c.Kind != gate.Agent || c.Principal != "" {
		t.Errorf("%+v", c)
	}
}

func TestDefaultDenySaysWhy(t *testing.T) {
	p := load(t)
	r := gate.Request{Caller: gate.Caller{Principal: "alice"}, Op: gate.OpShell, Target: gate.Target{Repo: "demo", Grand: true}}
	for _, c := range []struct {
		change func(*gate.Request)
		reason string
	}{
		{func(*gate.Request) {}, "no rule permits shell on demo for agent alice"},
		{func(r *gate.Request) { r.Op, r.Target = gate.OpList, gate.Target{} }, "no rule permits list for agent alice"},
		{func(r *gate.Request) { r.Target = gate.Target{Repo: "demo", Tag: "x", Fork: true, Owner: "bob"} },
			"demo:x belongs to bob; no rule permits shell on demo:x for agent alice"},
		{func(r *gate.Request) { r.Caller.Principal = "" }, "no principal speaks here"},
		{func(r *gate.Request) { r.Op = "fly\n" }, `"fly\\n" is no operation`},
		{func(r *gate.Request) { r.Target.Fork = true }, "demo is a repository and a fork at once"},
		{func(r *gate.Request) { r.Target = gate.Target{Repo: "demo", Tag: "x", Fork: true} }, "demo:x has no owner"},
	} {
		q := r
		c.change(&q)
		if d := p.Decide(q); d.Verdict != gate.Forbid || d.Reason != c.reason || d.Rule != "" {
			t.Errorf("got %+v, want %q", d, c.reason)
		}
	}
}

// With everything permitted, a malformed request is refused all the same.
func TestMalformedRequestsAreRefused(t *testing.T) {
	p := load(t, `permit "all" { when = true }`)
	good := gate.Request{Caller: gate.Caller{Principal: "alice"}, Op: gate.OpShell, Target: gate.Target{Repo: "demo", Grand: true}}
	if p.Decide(good).Verdict != gate.Permit {
		t.Fatal("the control is refused")
	}
	for _, bad := range []func(*gate.Request){
		func(r *gate.Request) { r.Caller.Principal = "" },
		func(r *gate.Request) { r.Op = "" },
		func(r *gate.Request) { r.Op = "Shell" },
		func(r *gate.Request) { r.Target.Fork = true },
		func(r *gate.Request) { r.Target = gate.Target{Fork: true} },
	} {
		r := good
		if bad(&r); p.Decide(r).Verdict != gate.Forbid {
			t.Errorf("%+v is permitted", r)
		}
	}
}

func TestAddressThatIsMissing(t *testing.T) {
	p := load(t, `permit "outside" { when = !cidr(source.ip, "10.0.0.0/8") && op == "shell" }
		permit "list" { when = op == "list" }
		forbid "outside-list" {
		  when   = !cidr(source.ip, "10.0.0.0/8") && op == "list"
		  reason = "from inside only"
		}`)
	for _, c := range []struct {
		source        string
		shell, listed gate.Verdict
	}{
		{"192.0.2.1", gate.Permit, gate.Forbid},
		{"10.1.1.1", gate.Forbid, gate.Permit},
		{"::ffff:10.1.1.1", gate.Forbid, gate.Permit}, // as a dual-stack listener shows it
		{"fe80::1%eth0", gate.Permit, gate.Forbid},
		{"", gate.Forbid, gate.Forbid},
	} {
		r := gate.Request{Caller: gate.Caller{Principal: "alice"}}
		if c.source != "" {
			r.Source = netip.MustParseAddr(c.source)
		}
		r.Op = gate.OpShell
		if got := p.Decide(r).Verdict; got != c.shell {
			t.Errorf("shell from %q: %s", c.source, got)
		}
		r.Op = gate.OpList
		if got := p.Decide(r).Verdict; got != c.listed {
			t.Errorf("list from %q: %s", c.source, got)
		}
	}
}

func TestConditions(t *testing.T) {
	fork := gate.Target{GUID: "1", Repo: "demo", Tag: "ci-7", Fork: true, Owner: "alice", Parent: "demo"}
	r := gate.Request{
		Caller: gate.Caller{Principal: "alice", Kind: gate.Human, Class: gate.ClassKey, Groups: []string{"oncall"}, Agent: ""},
		Op:     gate.OpForwardUnix, Target: fork, Source: netip.MustParseAddr("10.0.0.7"), Door: "ssh", Command: "git pull",
	}
	for when, want := range map[string]bool{
		`op == "forward-unix"`:                                     true,
		`"forward-unix" != op`:                                     false,
		`glob(op, "forward-*")`:                                    true,
		`glob(target.tag, "*-?")`:                                  true,
		`glob(target.tag, "?-*")`:                                  false,
		`glob(target.ref, "demo:*7*")`:                             true,
		`startswith(request.command, "git ")`:                      true,
		`startswith(request.command, "it")`:                        false,
		`contains(caller.groups, "oncall")`:                        true,
		`contains(caller.groups, "backend")`:                       false,
		`caller.class >= 2 && caller.class > 1`:                    true,
		`2 > caller.class`:                                         false,
		`2 <= caller.class`:                                        true,
		`caller.class == 2 && caller.class != 1`:                   true,
		`caller.class < 2 || caller.class <= 1`:                    false,
		`target.grand`:                                             false,
		`target.grand == false`:                                    true,
		`target.fork != false`:                                     true,
		`!(target.fork && target.owner != "bob")`:                  false,
		`target.owner == caller.principal`:                         true,
		`target.parent == target.repo`:                             true,
		`target.ref == "demo:ci-7" && target.parent_owner == ""`:   true,
		`caller.agent == "Claude Code"`:                            false,
		`caller.kind == "human" && door == "ssh"`:                  true,
		`cidr(source.ip, ["192.0.2.0/24", "10.0.0.0/29"])`:         true,
		`cidr(source.ip, "10.0.0.8/29")`:                           false,
		`contains(["shell", "exec"], op) || target.repo == "demo"`: true,
	} {
		p := load(t, `permit "it" { when = `+when+` }`)
		if got := p.Decide(r).Verdict == gate.Permit; got != want {
			t.Errorf("%s is %v", when, got)
		}
	}
}

func TestTheFirstForbidByNameIsReported(t *testing.T) {
	p := load(t, `forbid "b" {
		  when   = op == "shell"
		  reason = "b"
		}
		forbid "a" {
		  when   = op == "shell"
		  reason = "${caller.principal} ${caller.class} ${op} $${x} ${request.command}"
		  hint   = "${target.ref}"
		}
		permit "0" { when = true }`)
	r := gate.Request{Caller: gate.Caller{Principal: "alice", Class: 2}, Op: gate.OpShell, Target: gate.Target{Repo: "demo", Grand: true},
		Command: strings.Repeat("x", 1000)}
	d := p.Decide(r)
	want := gate.Decision{Rule: "a", Where: "rules.hcl:5", Reason: "alice 2 shell ${x} " + strings.Repeat("x", 80) + "...", Hint: "demo"}
	if d != want {
		t.Errorf("got %+v, want %+v", d, want)
	}
	e := p.Explain(r)
	if e.Decision != d || len(e.Matched) != 3 || e.Matched[1].Rule != "b" || e.Matched[2].Where != "rules.hcl:10" {
		t.Errorf("got %+v", e)
	}
	if _, err := json.Marshal(e); err != nil {
		t.Error(err)
	}
}

func TestDecideFromManyGoroutines(t *testing.T) {
	p := load(t, `permit "it" { when = op == "shell" && contains(caller.groups, "oncall") }`)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 500 {
				r := gate.Request{Caller: gate.Caller{Principal: "alice", Groups: []string{"oncall"}}, Op: gate.OpShell}
				if p.Decide(r).Verdict != gate.Permit || len(p.Explain(r).Matched) != 1 {
					t.Error("another answer")
				}
			}
		})
	}
	wait.Wait()
}

func TestQuestions(t *testing.T) {
	p := load(t, `permit "people" { when = caller.kind == "human" }`)
	for _, c := range []struct {
		q    policy.Question
		want string
	}{
		{policy.Question{Caller: "alice", Op: "shell", Target: "demo"},
			"human alice (class 2, key) asks for shell on demo\n  permit \"people\" at rules.hcl:1\nanswer: permit by \"people\"\n"},
		{policy.Question{Caller: "agent:alice", Op: "shell", Target: "demo+x", Owner: "bob"},
			"agent alice (class 2, key) asks for shell on demo:x\n  no rule matches\nanswer: forbid\n" +
				"reason: demo:x belongs to bob; no rule permits shell on demo:x for agent alice\nhint: work in a fork of your own: ssh demo+NAME@host\n"},
		{policy.Question{Caller: "bob", Op: "list", Door: "operator"},
			"agent bob (class 2, key) asks for list\n  permit \"operator\" at common.hcl:17\nanswer: permit by \"operator\"\n"},
	} {
		r, err := p.Request(c.q)
		if err != nil {
			t.Errorf("%+v: %v", c.q, err)
			continue
		}
		if got := p.Explain(r).String(); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
	for _, c := range []struct {
		q    policy.Question
		want string
	}{
		{policy.Question{Caller: "alcie", Op: "shell"}, `there is no principal "alcie". Did you mean "alice"?`},
		{policy.Question{Caller: "robot:alice", Op: "shell"}, `"robot" is no kind of caller: human or agent`},
		{policy.Question{Caller: "alice", Op: "shel"}, `there is no operation "shel". Did you mean "shell"?`},
		{policy.Question{Caller: "alice", Op: "shell", Target: "De"}, `"De" names no repository or fork: a name starts with a-z or 0-9, not 'D'`},
	} {
		_, err := p.Request(c.q)
		if refusal, ok := gate.AsRefusal(err); !ok || refusal.Reason != c.want {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestLoadAgents(t *testing.T) {
	agents, err := policy.LoadAgents(policy.Text{Name: "a.hcl", Text: []byte("agent \"b\" {\n  env = [\"B\"]\n}\nagent \"a\" {\n  comm = [\"a\"]\n}\n")})
	if err != nil || len(agents) != 2 || agents[0].Name != "a" || agents[1].Env[0].Name != "B" {
		t.Errorf("got %+v, %v", agents, err)
	}
	for _, bad := range []string{"agent {}", "agent \"a\" {}", "agent \"a\" {\n  env = [\"=\"]\n}", "nonsense"} {
		if agents, err := policy.LoadAgents(policy.Text{Name: "a.hcl", Text: []byte(bad)}); err == nil || agents != nil {
			t.Errorf("%s: %+v, %v", bad, agents, err)
		}
	}
}
