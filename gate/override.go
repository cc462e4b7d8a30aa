package gate

import "slices"

// Override is the leave that a person gave an agent, before it was started, to enter named repositories. The zero Override is none.
type Override struct {
	Repos   []string // exact names; only of an override that was proved
	Refused string   // why one that was tried counts for nothing, a word below; empty where none was tried
}

// Why an override counts for nothing.
const (
	OverrideSetByAgent  = "set-by-agent" // the agent itself set it, or the client sent it
	OverrideUnprotected = "unprotected"  // nothing kept the agent from rewriting it, or it was rewritten
	OverrideMalformed   = "malformed"    // no list of exact names
	OverrideUnseen      = "unseen"       // nothing shows that a person set it
	OverrideUnnamed     = "unnamed"      // the agent is known by a variable alone: which process it is, nobody can tell
	OverrideUnattested  = "unattested"   // no attestor speaks for the client
	OverrideElsewhere   = "elsewhere"    // it names other repositories
)

// OverrideRefusals lists these words.
func OverrideRefusals() []string {
	return []string{OverrideSetByAgent, OverrideUnprotected, OverrideMalformed, OverrideUnseen, OverrideUnnamed, OverrideUnattested, OverrideElsewhere}
}

// OverrideGranted reports whether an agent has leave to be at the request's target: a repository that its override names, never a fork.
func (r *Request) OverrideGranted() bool {
	o := r.Caller.Override
	return r.Caller.Kind == Agent && o.Refused == "" && r.Target.Grand && !r.Target.Fork && slices.Contains(o.Repos, r.Target.Repo)
}

// OverrideRefused says why the override that an agent came with counts for nothing at the request's target.
func (r *Request) OverrideRefused() string {
	o := r.Caller.Override
	switch {
	case r.Caller.Kind != Agent:
		return ""
	case o.Refused != "":
		return o.Refused
	case len(o.Repos) > 0 && r.Target.Grand && !r.OverrideGranted():
		return OverrideElsewhere
	}
	return ""
}
