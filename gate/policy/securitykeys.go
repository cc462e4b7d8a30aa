package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

// SecurityKeys lists the security keys that the operator has marked, by name. The slice is the caller's own, what its elements point
// to is not.
func (p *Policy) SecurityKeys() []provenance.SecurityKey { return slices.Clone(p.securityKeys) }

// Names lists the principals.
func (p *Policy) Names() []string { return slices.Sorted(maps.Keys(p.principals)) }

// Past lists the principals and groups that there are, and those that there have been: what LoadAfter wants next.
func (p *Policy) Past() []string {
	names := slices.Concat(p.past, p.Names())
	for _, principal := range p.principals {
		names = append(names, principal.Groups...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (l *loader) readSecurityKeys() {
	owner := map[string]string{} // key in SSH wire format -> name
	for _, block := range l.of("security_key") {
		if k, ok := l.readSecurityKey(block, owner); ok {
			l.policy.securityKeys = append(l.policy.securityKeys, k)
		}
	}
	slices.SortFunc(l.policy.securityKeys, func(a, b provenance.SecurityKey) int { return strings.Compare(a.Name, b.Name) })
	l.policy.summary.SecurityKeys = len(l.policy.securityKeys)
}

func (l *loader) readSecurityKey(block *hcl.Block, owner map[string]string) (provenance.SecurityKey, bool) {
	name := block.Labels[0]
	if err := gate.CheckName(name); err != nil {
		l.complain(block.LabelRanges[0], "Malformed name", "%q cannot be a security key: %v.", name, err)
	}
	f := l.fields(block)
	k := provenance.SecurityKey{Name: name}
	known := false
	if who := f.text("principal"); who.text != "" || f.has("principal") {
		known = f.principal(who)
		k.Principal = who.text
	}
	if line := f.text("key"); f.has("key") && !f.broken {
		f.securityKey(line, &k, owner)
	}
	if !f.flag("presence") && !f.broken {
		f.complain(block.DefRange, "Useless security key", "Security key %q counts for nothing: presence = true has a touch of it count as a sign of a person, "+
			"for entering; forkgate key enroll takes its maker's word, for approving too, and needs no block.", name)
	}
	return k, known && !f.broken
}

// principal checks that there is one of that name. One that is gone leaves what names it without effect, and keeps no policy from loading: else the one
// with that principal in it would stay in force.
func (f *fields) principal(name literal) bool {
	if _, known := f.l.policy.principals[name.text]; known {
		return true
	}
	words := vocabulary{known: f.l.policy.Names(), past: f.l.policy.past, gone: "nobody speaks by this"}
	if words.outlived(name.text) {
		f.l.remark(name.at, "Nobody of that name", "There is no principal %s. As it is, %s.", quoted(name.text), words.gone)
	} else {
		f.complain(name.at, "Unknown word", "There is no principal %s.%s", quoted(name.text), didYouMean(name.text, words.known))
	}
	return false
}

// securityKey reads the key. One that is another principal's as well would have its touch speak for two.
func (f *fields) securityKey(line literal, k *provenance.SecurityKey, owner map[string]string) {
	key, err := parseKey(line.text)
	if err != nil {
		f.complain(line.at, "Unusable key", "%s", sentence(err))
		return
	}
	if !strings.HasPrefix(key.Type(), "sk-") {
		f.complain(line.at, "Unusable key", "A key of type %s has nothing to touch: ssh-keygen -t ed25519-sk makes one that has.", key.Type())
		return
	}
	wire := wireOf(key)
	if other, taken := owner[wire]; taken {
		f.complain(line.at, "Duplicate key", "This key is the security key %q already.", other)
	}
	if other, taken := f.l.policy.byKey[wire]; taken && other != k.Principal {
		f.complain(line.at, "Duplicate key", "This key is the principal %q's, and cannot be a sign that %q is there.", other, k.Principal)
	}
	owner[wire], k.Key = k.Name, key
}
