package policy

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"forkgate/gate"
)

// readRules compiles the permits, forbids and approve rules, and files each under where it can match.
func (l *loader) readRules() {
	p, s := l.policy, newSchema(l.policy)
	p.index = index{}
	for _, block := range l.of("permit", "forbid", "approve") {
		read := l.readRule
		if block.Type == "approve" {
			read = l.readApprove
		}
		r := read(s, block)
		l.named(r)
		r.block = block.DefRange
		p.rules = append(p.rules, r)
	}
	slices.SortFunc(p.rules, func(a, b *rule) int { return cmp.Compare(a.name, b.name) })
	p.index.file(p.rules)
	if l.sound() {
		l.checkShadows()
	}
	l.count()
}

func (l *loader) count() {
	for _, r := range l.policy.rules {
		switch {
		case r.approval != nil:
			l.policy.summary.Approvals++
		case r.effect == gate.Permit:
			l.policy.summary.Permits++
		default:
			l.policy.summary.Forbids++
		}
	}
	if l.policy.summary.Permits == 0 && l.sound() {
		l.diags = append(l.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "No permit",
			Detail: "What no rule permits is forbidden, and this policy permits nothing. Is the baseline among the files?",
		})
	}
}

// readRule compiles one permit or forbid. It matches nothing after a complaint.
func (l *loader) readRule(s schema, block *hcl.Block) *rule {
	r := &rule{name: block.Labels[0], where: place(block.DefRange), effect: gate.Forbid}
	if block.Type == "permit" {
		r.effect = gate.Permit
	}
	if r.name == "" {
		l.complain(block.LabelRanges[0], "Malformed name", "A rule has a name: decisions quote it.")
	}
	f := l.fields(block)
	if reason := f.attrs["reason"]; reason != nil {
		r.reason = l.template(s, reason)
	}
	if hint := f.attrs["hint"]; hint != nil {
		r.hint = l.template(s, hint)
	}
	r.lockdown = f.flag("lockdown")
	limits := f.blocks.OfType("limits")
	r.bounds, _ = l.limitsOf(limits)
	needs, sound := l.requireOf(f.blocks.OfType("require"))
	r.record = f.readRecord()
	c, m := l.when(s, f, r.effect == gate.Forbid)
	if c == nil || !sound {
		return r
	}
	l.require(s, r, c, m, needs)
	l.checkRecord(f, r)
	if len(limits) > 0 {
		l.policy.summary.Limits++
		l.checkOfUse(limits[0], r)
	}
	return r
}

// when checks the condition of a rule; nil after a complaint.
func (l *loader) when(s schema, f *fields, forbids bool) (condition, mentions) {
	if when := f.attrs["when"]; when != nil {
		return l.condition(s, when.Expr, forbids)
	}
	return nil, nil
}

// checkOfUse complains of limits on a permit that never matches op fork, which is when limits are fixed.
func (l *loader) checkOfUse(limits *hcl.Block, r *rule) {
	if r.when != nil && !slices.ContainsFunc(r.slots, func(s slot) bool { return s.op == gate.OpFork }) {
		l.complain(limits.DefRange, "Limits without effect", "Limits are fixed when a fork is made, and this permit never matches op fork.")
	}
}

// condition checks a `when`, and says of which facts it speaks; nil after a complaint.
func (l *loader) condition(s schema, e hcl.Expression, forbids bool) (condition, mentions) {
	native, ok := e.(hclsyntax.Expression)
	if !ok {
		l.complain(e.Range(), "Not a condition", "A condition is written in HCL's own syntax.")
		return nil, nil
	}
	complaints := len(l.diags)
	checker := &checker{l: l, schema: s, mentions: mentions{}}
	c := checker.condition(native)
	if len(l.diags) > complaints {
		return nil, nil
	}
	if !canMatch(c, checker.mentions, forbids) {
		l.complain(e.Range(), "Can never match", "No request makes this condition true.%s", checker.mentions.aboutForks())
		return nil, nil
	}
	return c, checker.mentions
}
