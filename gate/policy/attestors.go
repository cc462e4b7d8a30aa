package policy

import (
	"slices"
	"strconv"
	"strings"

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
	for _, block := range l.of("attestor") {
		l.policy.attestors = append(l.policy.attestors, l.readAttestor(block))
	}
	slices.SortFunc(l.policy.attestors, func(a, b provenance.Attestor) int { return strings.Compare(a.Name, b.Name) })
	l.policy.summary.Attestors = len(l.policy.attestors)
}

func (l *loader) readAttestor(block *hcl.Block) provenance.Attestor {
	name := block.Labels[0]
	if err := provenance.CheckAttestorName(name); err != nil {
		l.complain(block.LabelRanges[0], "Malformed name", "%s", sentence(err))
	}
	f := l.fields(block)
	a := provenance.Attestor{Name: name, Principals: f.uids("principals"), Minimum: provenance.Protections()}
	if line := f.text("key"); line.text != "" {
		if a.Key = f.signerKey(line, block); a.Key != nil && strings.HasPrefix(a.Key.Type(), "sk-") {
			f.complain(line.at, "Unusable key", "A key that has to be touched cannot sign for an attestor: run forkgate-attest init on the workstation.")
		}
	}
	if len(a.Principals) == 0 && !f.broken && len(f.table("principals", "")) == 0 {
		f.complain(block.DefRange, "Nobody to speak for", "Attestor %q has no principals, so it can speak for nobody: principals = { \"1000\" = \"alice\" }.", name)
	}
	if f.has("minimum") {
		a.Minimum = f.protections("minimum")
	}
	return a
}

// signerKey reads the key that signs certificates for a block. One that signs in as well would let its holder choose who, or what, it is.
func (f *fields) signerKey(line literal, block *hcl.Block) ssh.PublicKey {
	key, err := parseKey(line.text)
	if err != nil {
		f.complain(line.at, "Unusable key", "%s", sentence(err))
		return nil
	}
	wire := wireOf(key)
	if other, taken := f.l.signers[wire]; taken {
		f.complain(line.at, "Duplicate key", "This key is that of %s already.", other)
	}
	if other, taken := f.l.policy.byKey[wire]; taken {
		f.complain(line.at, "Duplicate key", "This key is the principal %q's: what signs certificates is a key of its own, which signs nobody in.", other)
	}
	f.l.signers[wire] = block.Type + " " + quoted(block.Labels[0])
	return key
}

func wireOf(key ssh.PublicKey) string {
	if key == nil {
		return ""
	}
	return string(key.Marshal())
}

// pair is a line of a table.
type pair struct{ key, value hclsyntax.Expression }

// table reads the lines of { "KEY" = "VALUE" }.
func (f *fields) table(name, example string) (lines []pair) {
	attr, ok := f.attrs[name]
	if !ok {
		return nil
	}
	object, ok := attr.Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		f.complain(attr.Expr.Range(), "Wrong type", "%s is a table of quoted texts: %s.", name, example)
		return nil
	}
	for _, item := range object.Items {
		key := item.KeyExpr
		if wrapped, ok := key.(*hclsyntax.ObjectConsKeyExpr); ok {
			key = wrapped.Wrapped
		}
		lines = append(lines, pair{key, item.ValueExpr})
	}
	return lines
}

// uids reads { "1000" = "alice" }: whom the uids of a workstation speak for.
func (f *fields) uids(name string) map[uint32]string {
	found := map[uint32]string{}
	for _, line := range f.table(name, `{ "1000" = "alice" }`) {
		text, ok := literalText(line.key)
		uid, err := strconv.ParseUint(text, 10, 32)
		if !ok || err != nil || strconv.FormatUint(uid, 10) != text {
			f.complain(line.key.Range(), "Malformed uid", "A uid of the workstation stands here, as a quoted number: \"1000\".")
			continue
		}
		principal, ok := f.speaks(line.value)
		if !ok {
			continue
		}
		if other, twice := found[uint32(uid)]; twice {
			f.complain(line.key.Range(), "Duplicate uid", "The uid %d is %q already.", uid, other)
		}
		found[uint32(uid)] = principal
	}
	return found
}

// speaks reads the principal that something speaks for.
func (f *fields) speaks(value hclsyntax.Expression) (string, bool) {
	name, ok := literalText(value)
	if !ok {
		f.complain(value.Range(), "Wrong type", "A principal stands here, as a quoted text.")
		return "", false
	}
	return name, f.principal(literal{name, value.Range()})
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

// noteKeyless notes principals that nobody can speak for: without a key, and without an attestor or an authority that speaks for them. That
// is no mistake to refuse a policy for: who takes a workstation's word away by removing its block wants that in force at once.
func (l *loader) noteKeyless() {
	spoken := map[string]bool{}
	for _, a := range l.policy.authorities {
		for _, principal := range a.Principals {
			spoken[principal] = true
		}
	}
	for _, a := range l.policy.attestors {
		for _, principal := range a.Principals {
			spoken[principal] = true
		}
	}
	for _, block := range l.keyless {
		if name := block.Labels[0]; !spoken[name] {
			l.remark(block.DefRange, "Nobody speaks for it", "Principal %q has no key, and no attestor or authority names it: nobody gets in as %[1]q.", name)
		}
	}
}
