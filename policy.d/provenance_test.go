package policyd_test

import (
	"strings"
	"testing"

	"forkgate/gate"
)

// callers are agents at a grand repository, each with something else in the way.
func callers() map[string]gate.Caller {
	all := map[string]gate.Caller{
		"nothing":    {},
		"unverified": {Attested: "unverified", Class: gate.ClassAttested},
		"shared":     {Shared: true},
		"elsewhere":  {Attested: "agent", Override: gate.Override{Repos: []string{"shop", "dem", "demo2", "*"}}},
	}
	for _, why := range gate.OverrideRefusals() {
		all["override "+why] = gate.Caller{Attested: "agent", Override: gate.Override{Repos: []string{"demo"}, Refused: why}}
	}
	for name, c := range all {
		c.Principal = "alice"
		all[name] = c
	}
	return all
}

// Whatever an agent comes with, but for a person's leave, it stays out, and what it is told shows it no way in.
func TestAgentsStayOut(t *testing.T) {
	p := shipped(t)
	said := map[string]string{}
	for name, caller := range callers() {
		for _, op := range []gate.Op{gate.OpShell, gate.OpExec, gate.OpSFTP, gate.OpForwardLocal, gate.OpForwardRemote, gate.OpForwardUnix, gate.OpAgentForward, gate.OpRemove} {
			d := p.Decide(gate.Request{Caller: caller, Op: op, Door: "ssh", Target: gate.Target{GUID: "x", Repo: "demo", Grand: true}})
			text := strings.ToLower(d.Reason + " " + d.Hint)
			if d.Verdict != gate.Forbid || d.Reason == "" || strings.Contains(text, "rediacc") || strings.Contains(text, "allow_grand") || strings.Contains(text, "environment") {
				t.Errorf("%s, %s: %+v", name, op, d)
			}
			if op == gate.OpExec {
				said[name] = d.Reason
			}
		}
	}
	// Seven reasons, as there are seven things to do about it.
	for _, pair := range [][2]string{
		{"nothing", "unverified"}, {"nothing", "shared"}, {"nothing", "elsewhere"}, {"nothing", "override set-by-agent"}, {"nothing", "override unattested"},
		{"elsewhere", "override set-by-agent"}, {"elsewhere", "override unattested"}, {"override set-by-agent", "override unattested"}, {"unverified", "override unattested"},
		{"override malformed", "override set-by-agent"}, {"override unnamed", "override set-by-agent"}, {"override unnamed", "override malformed"}, {"override malformed", "nothing"},
	} {
		if said[pair[0]] == said[pair[1]] {
			t.Errorf("%s and %s are told the same: %s", pair[0], pair[1], said[pair[0]])
		}
	}
}

// Leave is for commands and files in the repository that it names, and for agents; a fork has its owner.
func TestLeaveIsForWhatItNames(t *testing.T) {
	p := shipped(t)
	caller := gate.Caller{Principal: "alice", Attested: "agent", Class: gate.ClassAttested, Override: gate.Override{Repos: []string{"demo"}}}
	for _, test := range []struct {
		op     gate.Op
		target gate.Target
		want   gate.Verdict
	}{
		{gate.OpShell, gate.Target{Repo: "demo", Grand: true}, gate.Permit},
		{gate.OpExec, gate.Target{Repo: "demo", Grand: true}, gate.Permit},
		{gate.OpSFTP, gate.Target{Repo: "demo", Grand: true}, gate.Permit},
		{gate.OpForwardLocal, gate.Target{Repo: "demo", Grand: true}, gate.Forbid},
		{gate.OpAgentForward, gate.Target{Repo: "demo", Grand: true}, gate.Forbid},
		{gate.OpRemove, gate.Target{Repo: "demo", Grand: true}, gate.Forbid},
		{gate.OpExec, gate.Target{Repo: "shop", Grand: true}, gate.Forbid},
		{gate.OpExec, gate.Target{Repo: "demo", Tag: "x", Fork: true, Owner: "bob"}, gate.Forbid},
	} {
		if d := p.Decide(gate.Request{Caller: caller, Op: test.op, Door: "ssh", Target: test.target}); d.Verdict != test.want {
			t.Errorf("%s on %s: %+v", test.op, test.target.Ref(), d)
		}
	}
}
