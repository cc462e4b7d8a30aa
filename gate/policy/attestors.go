package policy

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/crypto/ssh"

	"forkgate/gate/provenance"
)

// Attestors lists the workstations whose statements are believed, by name. The slice is the caller's own, what its elements point to
// is not.
func (p *Policy) Attestors() []provenance.Attestor { return slices.Clone(p.attestors) }

// attestorsFor names the attestors that may speak for a principal.
func (p *Policy) attestorsFor(principal string) (names []string) {
	for _, a := range p.attestors {
		for _, known := range a.Principals {
			if known == principal && !slices.Contains(names, a.Name) {
				names = append(names, a.Name)
			}
		}
	}
	return names
}

func (l *loader) readAttestors() {
	owner := map[string]string{} // key in SSH wire format -> attestor
	for _, block := range l.of("attestor") {
		l.policy.attestors = append(l.policy.attestors, l.readAttestor(block, owner))
	}
	slices.SortFunc(l.policy.attestors, func(a, b provenance.Attestor) int { return strings.Compare(a.Name, b.Name) })
	l.checkKeyless()
	l.policy.summary.Attestors = len(l.policy.attestors)
}

func (l *loader) readAttestor(block *hcl.Block, owner map[string]string) provenance.Attestor {
	const longest = 253 // a host name's length, RFC 1035 section 2.3.4
	name := block.Labels[0]
	if name == "" || len(name) > longest || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		l.complain(block.LabelRanges[0], "Malformed name", "An attestor's name is 1 to %d bytes of printable characters, its workstation's host name for one.", longest)
	}
	f := l.fields(block)
	a := provenance.Attestor{Name: name, Principals: f.uids("principals", l.policy.principals), Minimum: provenance.Protections()}
	if line := f.text("key"); line.text != "" {
		a.Key = f.attestorKey(line, owner)
		owner[wireOf(a.Key)] = name
	}
	if len(a.Principals) == 0 && !f.broken {
		f.complain(block.DefRange, "Nobody to speak for", "Attestor %q has no principals, so it can speak for nobody: principals = { \"1000\" = \"alice\" }.", name)
	}
	if f.has("minimum") {
		a.Minimum = f.protections("minimum")
	}
	return a
}

// attestorKey reads the key that signs certificates. One that signs in as well would let its holder choose what it is.
func (f *fields) attestorKey(line literal, owner map[string]string) ssh.PublicKey {
	key, err := parseKey(line.text)
	if err != nil {
		f.complain(line.at, "Unusable key", "%s", sentence(err))
		return nil
	}
	if strings.HasPrefix(key.Type(), "sk-") {
		f.complain(line.at, "Unusable key", "A key that has to be touched cannot sign for an attestor: run forkgate-attest init on the workstation.")
	}
	if other, taken := owner[wireOf(key)]; taken {
		f.complain(line.at, "Duplicate key", "This key is the attestor %q's already: a key says which workstation speaks.", other)
	}
	if other, taken := f.l.policy.byKey[wireOf(key)]; taken {
		f.complain(line.at, "Duplicate key", "This key is the principal %q's: an attestor has a key of its own, which signs nobody in.", other)
	}
	return key
}

func wireOf(key ssh.PublicKey) string {
	if key == nil {
		return ""
	}
	return string(key.Marshal())
}

// uids reads { "1000" = "alice" }: whom the uids of a workstation speak for.
func (f *fields) uids(name string, principals map[string]Principal) map[uint32]string {
	attr, ok := f.attrs[name]
	if !ok {
		return nil
	}
	object, ok := attr.Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		f.complain(attr.Expr.Range(), "Wrong type", "%s is a table of quoted texts: { \"1000\" = \"alice\" }.", name)
		return nil
	}
	found := map[uint32]string{}
	for _, item := range object.Items {
		if uid, principal, ok := f.uid(item, principals); ok {
			if other, twice := found[uid]; twice {
				f.complain(item.KeyExpr.Range(), "Duplicate uid", "The uid %d is %q already.", uid, other)
			}
			found[uid] = principal
		}
	}
	return found
}

func (f *fields) uid(item hclsyntax.ObjectConsItem, principals map[string]Principal) (uint32, string, bool) {
	key := item.KeyExpr
	if wrapped, ok := key.(*hclsyntax.ObjectConsKeyExpr); ok {
		key = wrapped.Wrapped
	}
	text, ok := literalText(key)
	uid, err := strconv.ParseUint(text, 10, 32)
	if !ok || err != nil || strconv.FormatUint(uid, 10) != text {
		f.complain(key.Range(), "Malformed uid", "A uid of the workstation stands here, as a quoted number: \"1000\".")
		return 0, "", false
	}
	principal, ok := literalText(item.ValueExpr)
	if !ok {
		f.complain(item.ValueExpr.Range(), "Wrong type", "A principal stands here, as a quoted text.")
		return 0, "", false
	}
	if _, known := principals[principal]; !known {
		near := didYouMean(principal, slices.Sorted(maps.Keys(principals)))
		f.complain(item.ValueExpr.Range(), "Unknown word", "There is no principal %s.%s", quoted(principal), near)
		return 0, "", false
	}
	return uint32(uid), principal, true
}

func (f *fields) protections(name string) []provenance.Protection {
	found := []provenance.Protection{}
	var words []string
	for _, p := range provenance.Protections() {
		words = append(words, string(p))
	}
	for _, item := range f.list(name) {
		p, err := provenance.ParseProtection(item.text)
		if err != nil {
			f.complain(item.at, "Unknown word", "There is no protection %s: there is %s.%s", quoted(item.text), strings.Join(words, ", "), didYouMean(item.text, words))
			continue
		}
		found = append(found, p)
	}
	return found
}

// checkKeyless complains of principals that nobody can speak for: without a key, and without an attestor that speaks for them.
func (l *loader) checkKeyless() {
	spoken := map[string]bool{}
	for _, a := range l.policy.attestors {
		for _, principal := range a.Principals {
			spoken[principal] = true
		}
	}
	for _, block := range l.keyless {
		if name := block.Labels[0]; !spoken[name] {
			l.complain(block.DefRange, "No key", "Principal %q has no key, so nobody can speak as %q.", name, name)
		}
	}
}
