package policy

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"forkgate/gate"
)

// rule is one permit, forbid or approve, compiled.
type rule struct {
	name   string
	where  string // FILE:LINE
	block  hcl.Range
	effect gate.Verdict
	when   func(*gate.Request) bool // nil after a complaint
	slots  []slot                   // where it can match

	condition condition // when, uncompiled; nil after a complaint
	mentions  mentions  // the facts of which it speaks
	reason    func(*gate.Request) string
	hint      func(*gate.Request) string
	bounds    bounds // what a permit's limits block says

	lockdown bool           // of a forbid that is meant to leave permits without effect
	approval *gate.Approval // of an approve rule: a permit for sessions that hold a grant

	record gate.Recording // of the sessions that it lets in

	needs gate.Class               // evidence that a permit requires
	lacks func(*gate.Request) bool // it would match but for that; nil: it requires none
}

func (r *rule) decision(q *gate.Request) gate.Decision {
	d := gate.Decision{Verdict: r.effect, Rule: r.name, Where: r.where}
	if r.reason != nil {
		d.Reason = r.reason(q)
	}
	if r.hint != nil {
		d.Hint = r.hint(q)
	}
	return d
}

// word is what the rule's block is called.
func (r *rule) word() string {
	if r.approval != nil {
		return "approve"
	}
	return r.effect.String()
}

// speaksOf reports whether the rule has any meaning for an operation.
func (r *rule) speaksOf(op gate.Op) bool { return r.approval == nil || slices.Contains(approvable, op) }

// states is what the rule says of limits, where op is the one that they matter to.
func (r *rule) states(op gate.Op) string {
	if op != gate.OpFork {
		return ""
	}
	return r.bounds.String()
}
