package policy

import (
	"fmt"
	"slices"
	"strings"

	"forkgate/gate"
)

// Explanation is a decision and every rule that had a part in it.
type Explanation struct {
	Request  gate.Request  `json:"request"`
	Decision gate.Decision `json:"decision"`
	Matched  []Matched     `json:"matched"`            // forbids first, then permits, then what could be approved, each by name
	Override string        `json:"override,omitempty"` // REPO,REPO, or "refused: " and why
	Beyond   string        `json:"beyond,omitempty"`   // what approving takes beside policy, and whether the caller has it
	Supposed []string      `json:"supposed,omitempty"` // what was asked about and is not so in this policy
}

// Matched is a rule that matched.
type Matched struct {
	Effect string `json:"effect"` // forbid, permit, approve
	Rule   string `json:"rule"`
	Where  string `json:"where"`            // FILE:LINE
	Limits string `json:"limits,omitempty"` // what it says of them, for op fork
}

// Explain decides, and looks at every rule while it does: unlike Decide it uses no index.
func (p *Policy) Explain(r gate.Request) Explanation {
	e := Explanation{Request: r, Decision: p.Decide(r), Matched: []Matched{}, Override: strings.Join(r.Caller.Override.Repos, ",")}
	if refused := r.OverrideRefused(); refused != "" {
		e.Override = "refused: " + refused
	}
	e.Beyond, e.Supposed = beyond(r, e.Decision), p.supposed(r.Caller)
	if malformed(&r) != "" {
		return e
	}
	for _, effect := range []string{"forbid", "permit", "approve"} {
		for _, rule := range p.rules {
			if rule.word() == effect && rule.speaksOf(r.Op) && rule.when(&r) {
				e.Matched = append(e.Matched, Matched{effect, rule.name, rule.where, rule.states(r.Op)})
			}
		}
	}
	return e
}

// String shows the explanation to a person, in a few lines.
func (e Explanation) String() string {
	var text strings.Builder
	c := e.Request.Caller
	fmt.Fprintf(&text, "%s %s (class %d, %s) asks for %s", c.Kind, gate.Printable(c.Principal), c.Class, c.Class, gate.Printable(string(e.Request.Op)))
	if e.Request.Target.Repo != "" {
		fmt.Fprintf(&text, " on %s", gate.Printable(e.Request.Target.Ref()))
	}
	for _, fact := range []struct{ word, value string }{
		{"for", e.Request.Asker}, {"approved by", e.Request.Approver}, {"override", e.Override}, {"security key", e.Request.Caller.SecurityKey},
	} {
		if fact.value != "" {
			fmt.Fprintf(&text, ", %s %s", fact.word, gate.Printable(fact.value))
		}
	}
	if e.Request.Grant != "" {
		text.WriteString(", with a grant")
	}
	text.WriteString("\n")
	for _, m := range e.Matched {
		fmt.Fprintf(&text, "  %s %q at %s", m.Effect, m.Rule, m.Where)
		if m.Limits != "" {
			fmt.Fprintf(&text, ", limits: %s", m.Limits)
		}
		text.WriteString("\n")
	}
	if len(e.Matched) == 0 {
		text.WriteString("  no rule matches\n")
	}
	fmt.Fprintf(&text, "answer: %s", e.Decision.Verdict)
	if e.Decision.Rule != "" {
		fmt.Fprintf(&text, " by %q", e.Decision.Rule)
	}
	text.WriteString("\n")
	if e.Decision.Reason != "" {
		fmt.Fprintf(&text, "reason: %s\n", gate.Printable(e.Decision.Reason))
	}
	if e.Decision.Hint != "" {
		fmt.Fprintf(&text, "hint: %s\n", gate.Printable(e.Decision.Hint))
	}
	if e.Decision.Limits != nil {
		fmt.Fprintf(&text, "limits: %s\n", e.Decision.Limits)
	}
	if e.Decision.Record != gate.Unrecorded {
		fmt.Fprintf(&text, "recorded: %s\n", e.Decision.Record)
	}
	if e.Decision.Approval != nil {
		fmt.Fprintf(&text, "may be approved: %s\n", e.Decision.Approval)
	}
	if e.Beyond != "" {
		fmt.Fprintf(&text, "beyond policy: %s\n", gate.Printable(e.Beyond))
	}
	for _, line := range e.Supposed {
		fmt.Fprintf(&text, "only supposed: %s\n", gate.Printable(line))
	}
	return text.String()
}

// Summary counts what a policy holds, for `forkgate policy check`.
type Summary struct {
	Files        int `json:"files"`
	Principals   int `json:"principals"`
	Keys         int `json:"keys"`
	Attestors    int `json:"attestors"`
	Authorities  int `json:"authorities"`
	SecurityKeys int `json:"security_keys"` // that are marked
	Agents       int `json:"agents"`
	Permits      int `json:"permits"`
	Limits       int `json:"limits"` // permits that have some
	Forbids      int `json:"forbids"`
	Approvals    int `json:"approvals"`    // rules by which something may be approved
	Repos        int `json:"repositories"` // that have a block
	Tests        int `json:"tests"`        // all of them passed, or the policy would not have loaded

	Notes []Problem `json:"notes,omitempty"` // what keeps no policy from loading, and may not be meant
}

// Summary counts.
func (p *Policy) Summary() Summary {
	s := p.summary
	s.Notes = slices.Clone(s.Notes)
	return s
}

// String is one line.
func (s Summary) String() string {
	n := gate.Count
	return strings.Join([]string{
		n(s.Files, "file") + ": " + n(s.Principals, "principal") + " with " + n(s.Keys, "key"),
		n(s.Attestors, "attestor"), n(s.Authorities, "authority"), n(s.SecurityKeys, "security key"), n(s.Agents, "agent"),
		fmt.Sprintf("%s (%d with limits)", n(s.Permits, "permit"), s.Limits), n(s.Forbids, "forbid"), n(s.Approvals, "approval"),
		n(s.Repos, "repository"), n(s.Tests, "test") + " passed",
	}, ", ")
}
