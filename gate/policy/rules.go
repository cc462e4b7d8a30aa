package policy

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"forkgate/gate"
)

// laterFields are parts of a rule that mean something in a later version. To accept them now would promise what is not kept.
var laterFields = []string{"record", "require"}

var ruleSchema = map[string]*hcl.BodySchema{
	"permit": {
		Attributes: []hcl.AttributeSchema{{Name: "when"}, {Name: "record"}, {Name: "require"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "limits"}, {Type: "require"}},
	},
	"forbid": {
		Attributes: []hcl.AttributeSchema{{Name: "when"}, {Name: "reason"}, {Name: "hint"}},
	},
}

// readRules compiles the permits, forbids and approve rules, and files each under where it can match.
func (l *loader) readRules() {
	p, s := l.policy, newSchema(l.policy)
	p.index = map[slot]bucket{}
	for _, block := range l.of("permit", "forbid", "approve") {
		read, where := l.readRule, slots
		if block.Type == "approve" {
			read, where = l.readApprove, approvals
		}
		r, c := read(s, block)
		p.rules = append(p.rules, r)
		if c == nil {
			continue
		}
		for _, at := range where(c) {
			p.index[at] = p.index[at].with(r)
		}
	}
	byName := func(a, b *rule) int { return cmp.Compare(a.name, b.name) }
	slices.SortFunc(p.rules, byName)
	for _, b := range p.index {
		slices.SortFunc(b.forbids, byName)
		slices.SortFunc(b.permits, byName)
		slices.SortFunc(b.approvals, byName)
	}
	l.count()
}

// with adds a rule to a bucket.
func (b bucket) with(r *rule) bucket {
	switch {
	case r.approval != nil:
		b.approvals = append(b.approvals, r)
	case r.effect == gate.Permit:
		b.permits = append(b.permits, r)
	default:
		b.forbids = append(b.forbids, r)
	}
	return b
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

// readRule compiles one rule. Its condition is nil after a complaint.
func (l *loader) readRule(s schema, block *hcl.Block) (*rule, condition) {
	r := &rule{name: block.Labels[0], where: place(block.DefRange), effect: gate.Forbid}
	if block.Type == "permit" {
		r.effect = gate.Permit
	}
	if r.name == "" {
		l.complain(block.LabelRanges[0], "Malformed name", "A rule has a name: decisions quote it.")
	}
	content, diags := block.Body.Content(ruleSchema[block.Type])
	l.diags = append(l.diags, diags...)
	l.refuseLater(content)
	alien := diags.HasErrors() // then what is missing may only be misspelt
	if reason := content.Attributes["reason"]; reason != nil {
		r.reason = l.template(s, reason)
	} else if block.Type == "forbid" && !alien {
		l.complain(block.DefRange, "Missing attribute", "reason is missing here: a forbid tells the caller why.")
	}
	if hint := content.Attributes["hint"]; hint != nil {
		r.hint = l.template(s, hint)
	}
	limits := content.Blocks.OfType("limits")
	r.bounds, _ = l.limitsOf(limits)
	when := content.Attributes["when"]
	if when == nil && alien {
		return r, nil
	}
	if when == nil {
		l.complain(block.DefRange, "Missing attribute", "when is missing here. For a rule without a condition write when = true.")
		return r, nil
	}
	c := l.condition(s, when.Expr)
	if c == nil {
		return r, nil
	}
	r.when = c.compile(r.effect == gate.Forbid)
	if len(limits) > 0 {
		l.policy.summary.Limits++
		l.checkOfUse(limits[0], c)
	}
	return r, c
}

// checkOfUse complains of limits on a permit that never matches op fork, which is when limits are fixed.
func (l *loader) checkOfUse(limits *hcl.Block, c condition) {
	if !slices.ContainsFunc(slots(c), func(s slot) bool { return s.op == gate.OpFork }) {
		l.complain(limits.DefRange, "Limits without effect", "Limits are fixed when a fork is made, and this permit never matches op fork.")
	}
}

func (l *loader) refuseLater(content *hcl.BodyContent) {
	for name, attr := range content.Attributes {
		if slices.Contains(laterFields, name) {
			l.complain(attr.NameRange, "Not supported yet", "This version of forkgate has no %s.", name)
		}
	}
	for _, block := range content.Blocks {
		if slices.Contains(laterFields, block.Type) {
			l.complain(block.DefRange, "Not supported yet", "This version of forkgate has no %s.", block.Type)
		}
	}
}

// condition checks a `when`; nil after a complaint.
func (l *loader) condition(s schema, e hcl.Expression) condition {
	native, ok := e.(hclsyntax.Expression)
	if !ok {
		l.complain(e.Range(), "Not a condition", "A condition is written in HCL's own syntax.")
		return nil
	}
	complaints := len(l.diags)
	checker := &checker{l: l, schema: s, mentions: mentions{}}
	c := checker.condition(native)
	if len(l.diags) > complaints {
		return nil
	}
	if !canMatch(c, checker.mentions) {
		l.complain(e.Range(), "Can never match", "No request makes this condition true.")
		return nil
	}
	return c
}
