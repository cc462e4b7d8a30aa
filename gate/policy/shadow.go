package policy

import "forkgate/gate"

// checkShadows complains of rules that let in what one forbid keeps out wholly: they have no effect, and whoever wrote them thinks that
// they have.
func (l *loader) checkShadows() {
	for _, r := range l.policy.rules {
		if r.effect != gate.Permit || len(r.slots) == 0 {
			continue
		}
		if f := l.policy.index.shadow(r); f != nil {
			l.complain(r.block, "Never takes effect", "All that this rule lets in is kept out by forbid %q at %s, and a forbid beats every permit: narrow that one, or remove this. If nobody is to come in for a time, that one says lockdown = true.", f.name, f.where)
		}
	}
}

// shadow finds a forbid that matches wherever a rule does. Such a one lies where any request of the rule's would look.
func (ix index) shadow(r *rule) *rule {
	any := r.slots[0]
	forbids := ix.of(&gate.Request{
		Op: any.op, Caller: gate.Caller{Kind: any.kind, Principal: any.principal}, Target: gate.Target{Repo: any.repo},
	})
	example := r.mentions.search(func(w world) bool { return r.condition.guess(w) != no && r.approved(w) })
	if example == nil {
		return nil // an approve rule about requests without a grant: what its terms are, and lets nothing in
	}
	return forbids.first((*bucket).forbidding, func(f *rule) bool {
		return !f.lockdown && (f.condition.guess(example) != no || r.condition.guess(example) != yes) && f.shadows(r)
	})
}

// approved reports whether an approve rule can matter in a world: where there is no grant, it lets nothing in.
func (r *rule) approved(w world) bool {
	grant, known := w["grant.held"]
	return r.approval == nil || !known || grant.flag
}

// shadows reports whether it is sure that a forbid matches whatever the other rule matches.
func (f *rule) shadows(r *rule) bool {
	return f.mentions.with(r.mentions).search(func(w world) bool {
		return r.approved(w) && r.condition.guess(w) != no && f.condition.guess(w) != yes
	}) == nil
}
