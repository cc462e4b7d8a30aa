package policy

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"forkgate/gate"
)

// requirement is what a permit asks for beside its condition. Where it is not met the permit does not match, like any other whose
// condition is false: so it takes nothing away from what other permits give, and a permit less never permits more.
type requirement struct {
	evidence gate.Class // at least; zero: any
	approval bool       // of the session, by somebody
	at       hcl.Range
}

// requireOf reads the require blocks of a permit; it has one at most.
func (l *loader) requireOf(blocks hcl.Blocks) (requirement, bool) {
	if len(blocks) == 0 {
		return requirement{}, true
	}
	for _, second := range blocks[1:] {
		l.complain(second.DefRange, "Duplicate block", "There is a require block already, at %s.", place(blocks[0].DefRange))
	}
	f := l.fields(blocks[0])
	need := requirement{
		evidence: gate.Class(f.number("evidence", int(gate.ClassHint), int(maxClass))),
		approval: f.number("approval", 1, 1) > 0,
		at:       f.at,
	}
	if len(f.attrs) == 0 && !f.broken {
		f.complain(f.at, "Empty block", "This requires nothing: name evidence or approval.")
	}
	return need, !f.broken
}

// require compiles a rule whose condition is c, of the facts m, and what it requires beside.
func (l *loader) require(s schema, r *rule, c condition, m mentions, need requirement) {
	if need.evidence > gate.ClassNone {
		class := s["caller.class"]
		enough := numberIs{class, func(has int) bool { return has >= int(need.evidence) }}
		r.needs, r.lacks = need.evidence, and{c, not{enough}}.compile(false)
		c = and{c, enough}
		if m.number(class, int(need.evidence)); !canMatch(c, m, false) {
			l.complain(need.at, "Can never match", "No request that this rule speaks of has evidence of class %d or better.", need.evidence)
			return
		}
	}
	if need.approval {
		r.approval = &gate.Approval{Rule: r.name, Wait: DefaultWait, Lasts: DefaultLasts, Uses: 1}
	}
	l.compile(s, r, c, m, need.at)
}

// compile makes a rule of a condition. at is what to blame if an approval would have no effect.
func (l *loader) compile(s schema, r *rule, c condition, m mentions, at hcl.Range) {
	where := slots(c, m, s)
	if r.approval != nil {
		where = slices.DeleteFunc(where, func(s slot) bool { return !slices.Contains(approvable, s.op) })
		if len(where) == 0 {
			l.complain(at, "Approval without effect", "What waits for an approval is a session, and this rule never matches op shell, exec or sftp.")
		}
	}
	r.slots, r.when, r.condition, r.mentions = where, c.compile(r.effect == gate.Forbid), c, m
}

// lacking says what a request lacks of evidence that some permit requires; empty where more of it would change nothing.
func (c *candidates) lacking(r *gate.Request) string {
	permit := c.first((*bucket).permitting, func(permit *rule) bool { return permit.lacks != nil && permit.lacks(r) })
	if permit != nil {
		return fmt.Sprintf("; evidence of class %d, %s, is required, and there is class %d, %s", permit.needs, permit.needs, r.Caller.Class, r.Caller.Class)
	}
	return ""
}
