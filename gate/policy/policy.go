package policy

import (
	"slices"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

// Principal is what the files say of a person or service.
type Principal = provenance.Principal

// Policy is a set of rules, and the principals and agents that they speak of. It never changes once loaded. The zero Policy
// knows nobody and forbids everything.
type Policy struct {
	principals    map[string]Principal
	byKey         map[string]string // public key in SSH wire format -> principal
	byFingerprint map[string]string
	attestors     []provenance.Attestor    // by name
	authorities   []provenance.Authority   // by name
	securityKeys  []provenance.SecurityKey // by name
	agents        []provenance.Agent
	rules         []*rule // by name
	index         index
	repositories  map[string]Repository
	named         []NamedRepository
	pods          Pods
	connections   Connections
	recordings    Recordings
	redactions    gate.Redactions // by name
	scrubs        []Scrub         // by name
	records       bool            // some rule wants sessions recorded
	summary       Summary
	trials        []Trial
	contents      Contents
	past          []string // principals and groups that there have been: see LoadAfter
}

// Principal finds who has a public key, given in SSH wire format (RFC 4253, section 6.6).
func (p *Policy) Principal(key []byte) (Principal, bool) {
	name, ok := p.byKey[string(key)]
	if !ok {
		return Principal{}, false
	}
	return p.PrincipalByName(name)
}

// PrincipalByName finds a principal.
func (p *Policy) PrincipalByName(name string) (Principal, bool) {
	principal, ok := p.principals[name]
	principal.Groups, principal.Accounts = slices.Clone(principal.Groups), slices.Clone(principal.Accounts)
	return principal, ok
}

// Accounts lists the host's accounts that somebody may speak by.
func (p *Policy) Accounts() (names []string) {
	for _, principal := range p.principals {
		names = append(names, principal.Accounts...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Agents lists the known agents by name. The slice is the caller's own, what its elements point to is not.
func (p *Policy) Agents() []provenance.Agent { return slices.Clone(p.agents) }

// Caller says who speaks, which makes a Policy a gate.Witness. A key that is no longer the principal's own speaks for nobody:
// a connection outlives the policy that let it in.
func (p *Policy) Caller(e gate.Evidence) gate.Caller {
	switch {
	case e.Attestor != "" || e.Key == "":
	case e.Authority != "" && !p.certifies(e.Authority, e.Principal), e.Authority == "" && p.byFingerprint[e.Key] != e.Principal:
		e.Principal = ""
	}
	return provenance.Classify(p.agents, p.attestors, p.principals[e.Principal], e)
}

// Decide answers a request.
func (p *Policy) Decide(r gate.Request) gate.Decision {
	if reason := malformed(&r); reason != "" {
		return gate.Decision{Verdict: gate.Forbid, Reason: reason}
	}
	rules := p.index.of(&r)
	d := rules.decide(&r)
	if p.records && d.Verdict == gate.Permit {
		d.Record = rules.recording(&r)
	}
	if d.Verdict == gate.Forbid && r.Grant == "" {
		d.Approval = rules.approval(&r)
	}
	return d
}

// decide has the rules answer a request. An approve rule permits what holds a grant, and nothing else.
func (c *candidates) decide(r *gate.Request) gate.Decision {
	matches := func(rule *rule) bool { return rule.when(r) }
	if forbid := c.first((*bucket).forbidding, matches); forbid != nil {
		return forbid.decision(r)
	}
	if permit := c.first((*bucket).permitting, matches); permit != nil {
		d := permit.decision(r)
		if r.Op == gate.OpFork {
			limits := merged(c.all((*bucket).permitting, r))
			d.Limits = &limits
		}
		return d
	}
	if r.Grant != "" {
		if approve := c.first((*bucket).approving, matches); approve != nil {
			return approve.decision(r)
		}
	}
	d := unpermitted(r)
	d.Reason += c.lacking(r)
	return d
}

// lockdown reports whether a rule is a forbid that is meant to keep out whom permits let in.
func (p *Policy) lockdown(name string) bool {
	return slices.ContainsFunc(p.rules, func(r *rule) bool { return r.name == name && r.lockdown })
}

// merged are the limits of permits that match, the strictest of each.
func merged(permits []*rule) gate.Limits {
	var b bounds
	for _, permit := range permits {
		b = b.merge(permit.bounds)
	}
	return b.limits()
}

// malformed says why a request is none that a rule should see: conditions such as "owner is caller" hold too easily when
// both are missing.
func malformed(r *gate.Request) string {
	switch {
	case r.Caller.Principal == "":
		return "no principal speaks here"
	case !r.Op.Valid():
		return quoted(string(r.Op)) + " is no operation"
	case r.Target.Grand && r.Target.Fork:
		return r.Target.Ref() + " is a repository and a fork at once"
	case r.Target.Fork && r.Target.Owner == "":
		return r.Target.Ref() + " has no owner"
	}
	return ""
}

// unpermitted is the decision where no rule matched.
func unpermitted(r *gate.Request) gate.Decision {
	where := ""
	if r.Target.Repo != "" {
		where = " on " + r.Target.Ref()
	}
	reason := "no rule permits " + string(r.Op) + where + " for " + r.Caller.Kind.String() + " " + r.Caller.Principal
	if r.Target.Fork && r.Target.Owner != r.Caller.Principal {
		reason = r.Target.Ref() + " belongs to " + r.Target.Owner + "; " + reason
	}
	hint, enters := "", slices.Contains([]gate.Op{gate.OpShell, gate.OpExec, gate.OpSFTP}, r.Op)
	leads := r.Op.IsForward() || r.Op == gate.OpAgentForward
	if r.Target.Fork && r.Target.Owner != r.Caller.Principal && (enters || leads) || r.Target.Grand && leads {
		hint = "work in a fork of your own: ssh " + r.Target.Repo + "+NAME@host"
	}
	return gate.Decision{Verdict: gate.Forbid, Reason: reason, Hint: hint}
}
