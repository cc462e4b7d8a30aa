package policy

import (
	"time"

	"github.com/hashicorp/hcl/v2"

	"forkgate/gate"
)

// What an approve rule gives where it says nothing, and at most.
const (
	DefaultWait  = 2 * time.Minute
	DefaultLasts = 15 * time.Minute

	maxWait  = 10 * time.Minute // somebody's client waits, and a slot of the warden's
	maxLasts = 24 * time.Hour
	maxUses  = 1000
)

// approvable are the operations that can wait for somebody: what opens a session. The others have no room for what a caller has to be
// told meanwhile.
var approvable = []gate.Op{gate.OpShell, gate.OpExec, gate.OpSFTP}

// readApprove compiles one approve rule: a permit for sessions that hold a grant. It matches nothing after a complaint.
func (l *loader) readApprove(s schema, block *hcl.Block) *rule {
	r := &rule{name: block.Labels[0], where: place(block.DefRange), effect: gate.Permit}
	if r.name == "" {
		l.complain(block.LabelRanges[0], "Malformed name", "A rule has a name: decisions quote it.")
	}
	f := l.fields(block)
	r.approval = &gate.Approval{
		Rule: r.name, Uses: 1, Stop: f.flag("stop_containers"),
		Wait: f.upTo("wait", time.Second, DefaultWait, maxWait), Lasts: f.upTo("lasts", time.Second, DefaultLasts, maxLasts),
	}
	if f.has("uses") {
		r.approval.Uses = int(f.number("uses", 1, maxUses))
	}
	r.record = f.readRecord()
	if c, m := l.when(s, f, false); c != nil {
		l.compile(s, r, c, m, block.DefRange)
		l.checkRecord(f, r)
	}
	return r
}

// approval says on which terms a request that is forbidden could be approved: of all rules that match, the strictest of each. It is nil
// where there is no such rule, or where the answer would be no with a grant as well.
func (c *candidates) approval(r *gate.Request) *gate.Approval {
	var terms *gate.Approval
	for _, rule := range c.all((*bucket).approving, r) {
		terms = stricterTerms(terms, *rule.approval)
	}
	if terms == nil {
		return nil
	}
	granted := *r
	granted.Grant = "to be"
	if c.decide(&granted).Verdict != gate.Permit {
		return nil
	}
	return terms
}

func stricterTerms(a *gate.Approval, b gate.Approval) *gate.Approval {
	if a == nil {
		return &b
	}
	return &gate.Approval{
		Rule: a.Rule, Wait: min(a.Wait, b.Wait), Lasts: min(a.Lasts, b.Lasts), Uses: min(a.Uses, b.Uses), Stop: a.Stop || b.Stop,
	}
}
