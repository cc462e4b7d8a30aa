package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"forkgate/gate"
)

// expectation is what the expect block of a test says.
type expectation struct {
	verdict gate.Verdict
	rule    *string // nil: whichever; empty: none
	bounds  bounds  // of a fork to be; what is not spoken of may be anything

	approvable *bool           // nil: whichever
	record     *gate.Recording // nil: whichever
}

// met reports whether a decision is the one that is expected.
func (want expectation) met(got gate.Decision) bool {
	return got.Verdict == want.verdict && (want.rule == nil || got.Rule == *want.rule) && want.bounds.are(got.Limits) &&
		(want.approvable == nil || *want.approvable == (got.Approval != nil)) && (want.record == nil || *want.record == got.Record)
}

// are reports whether limits are those that a test speaks of.
func (b bounds) are(limits *gate.Limits) bool {
	if limits == nil {
		return b == (bounds{})
	}
	for _, pair := range [][2]uint64{
		{b.quota, limits.Quota}, {b.memory, limits.Memory}, {b.pids, limits.Pids}, {b.cpu, limits.CPU}, {b.io, limits.IO}, {b.ttl, limits.TTL},
	} {
		if pair[0] != 0 && pair[0] != pair[1] {
			return false
		}
	}
	if b.renew != 0 && (b.renew == renewedByUse) != limits.Renew {
		return false
	}
	return b.egress == nil || slices.Equal(b.egress.texts(), limits.Egress)
}

func (l *loader) readExpectation(block *hcl.Block) (expectation, bool) {
	f := l.fields(block)
	var want expectation
	limits, sound := l.limitsOf(f.blocks)
	want.bounds = limits
	verdict := f.text("verdict")
	switch {
	case verdict.text == "permit":
		want.verdict = gate.Permit
	case verdict.text != "forbid" && f.has("verdict"):
		f.complain(verdict.at, "Unknown word", "A verdict is permit or forbid.")
	}
	if rule := f.text("rule"); f.has("rule") {
		want.rule = &rule.text
	}
	if f.has("approvable") {
		approvable := f.flag("approvable")
		want.approvable = &approvable
	}
	if record := f.readRecord(); f.has("record") {
		want.record = &record
	}
	return want, sound && !f.broken
}

// against shows what was wanted and what came, each whole, so that nobody has to find out which of it differs.
func (want expectation) against(got gate.Decision, p *Policy) string {
	return "wanted: " + want.shown(p) + "\ngot:    " + want.came(got, p)
}

// shown is what was wanted. What is not spoken of may be anything, and is left out.
func (want expectation) shown(p *Policy) string {
	parts := []string{want.verdict.String()}
	if want.rule != nil {
		parts[0] += p.byRule(*want.rule)
	}
	if want.approvable != nil {
		parts = append(parts, approvableWords(*want.approvable))
	}
	if want.record != nil {
		parts = append(parts, "recorded: "+want.record.String())
	}
	if want.bounds != (bounds{}) {
		parts = append(parts, "limits: "+want.bounds.String())
	}
	return strings.Join(parts, "; ")
}

// came is the answer, in the same words and order: all that was wanted of it, and its rule.
func (want expectation) came(got gate.Decision, p *Policy) string {
	parts := []string{got.Verdict.String() + p.byRule(got.Rule)}
	if want.approvable != nil {
		parts = append(parts, approvableWords(got.Approval != nil))
	}
	if want.record != nil || got.Record != gate.Unrecorded {
		parts = append(parts, "recorded: "+got.Record.String())
	}
	switch {
	case got.Limits != nil:
		parts = append(parts, "limits: "+got.Limits.String())
	case want.bounds != (bounds{}):
		parts = append(parts, "limits: none, which only op fork has")
	}
	return strings.Join(parts, "; ")
}

func approvableWords(yes bool) string {
	if yes {
		return "approvable"
	}
	return "not approvable"
}

// byRule names a rule with its place.
func (p *Policy) byRule(name string) string {
	if name == "" {
		return " by no rule"
	}
	if r := p.rule(name); r != nil {
		return fmt.Sprintf(" by %q at %s", name, r.where)
	}
	return fmt.Sprintf(" by %q", name)
}

// rule finds a rule; nil where there is none.
func (p *Policy) rule(name string) *rule {
	i := slices.IndexFunc(p.rules, func(r *rule) bool { return r.name == name })
	if i < 0 {
		return nil
	}
	return p.rules[i]
}

// remark says in words why another rule than the wanted one answered; empty where the verdict says it all.
func (want expectation) remark(e Explanation, p *Policy) string {
	got := e.Decision
	if want.rule == nil || *want.rule == "" || got.Rule == *want.rule {
		return ""
	}
	if p.rule(*want.rule) == nil {
		var names []string
		for _, r := range p.rules {
			names = append(names, r.name)
		}
		return fmt.Sprintf("\nThere is no rule %s.%s", quoted(*want.rule), didYouMean(*want.rule, names))
	}
	matched := slices.ContainsFunc(e.Matched, func(m Matched) bool { return m.Rule == *want.rule })
	switch {
	case !matched:
		return fmt.Sprintf("\nRule %q does not match this request.", *want.rule)
	case got.Verdict == want.verdict:
		return fmt.Sprintf("\nBoth rules match, and both %s: of such the first by name answers, which is %q. Where any of them will do, leave rule out of expect.", got.Verdict, got.Rule)
	}
	return ""
}
