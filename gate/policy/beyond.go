package policy

import (
	"fmt"
	"slices"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

// beyond says what it takes to approve beside the policy's permit, and whether a caller as asked about has it. The warden decides that, see
// its proof; where policy does not permit, or root asks on the host, there is nothing to say.
func beyond(r gate.Request, d gate.Decision) string {
	if r.Op != gate.OpApprove || d.Verdict != gate.Permit || r.Door == DoorOperator {
		return ""
	}
	c := r.Caller
	const needed = "a touch of an enrolled security key, for what somebody else asks, or a signature by one that has verified its owner"
	switch {
	case c.Kind != gate.Human:
		return fmt.Sprintf("policy permits it, and this caller is not believed to be a person: it is an agent, of class %d; it takes %s", c.Class, needed)
	case c.Class < gate.ClassPresence:
		return fmt.Sprintf("policy permits it, and class %d is not enough to be believed: it takes %s", c.Class, needed)
	case !c.Enrolled:
		return fmt.Sprintf("policy permits it, and the security key %s is not enrolled as asked about, so that its touch is not enough to be believed: it takes %s", c.SecurityKey, needed)
	case r.Asker == c.Principal:
		return "policy permits it, and a touch is not enough for what one asks oneself: it takes a signature by an enrolled security key that has verified its owner"
	}
	return "policy permits it, and this caller is believed: an enrolled security key was touched"
}

// supposed says what was asked about a security key and is not so in this policy. Which keys are enrolled stands elsewhere.
func (p *Policy) supposed(c gate.Caller) (all []string) {
	if c.SecurityKey == "" {
		return nil
	}
	if len(p.attestorsFor(c.Principal)) == 0 {
		all = append(all, "no attestor of this policy speaks for "+c.Principal+", and a touch counts beside an attestor's word alone")
	}
	isIt := func(k provenance.SecurityKey) bool { return k.Name == c.SecurityKey && k.Principal == c.Principal }
	if !c.Enrolled && !slices.ContainsFunc(p.securityKeys, isIt) {
		all = append(all, "this policy marks no security key "+c.SecurityKey+" of "+c.Principal+"; with --enrolled it is one that the operator has enrolled")
	}
	return all
}
