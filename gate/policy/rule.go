package policy

import "forkgate/gate"

// rule is one permit or forbid, compiled.
type rule struct {
	name   string
	where  string // FILE:LINE
	effect gate.Verdict
	when   func(*gate.Request) bool
	reason func(*gate.Request) string
	hint   func(*gate.Request) string
	bounds bounds // what a permit's limits block says
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

// states is what the rule says of limits, where op is the one that they matter to.
func (r *rule) states(op gate.Op) string {
	if op != gate.OpFork {
		return ""
	}
	return r.bounds.String()
}
