package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

// Authorities lists whose certificates say whose a key is, by name. The slice is the caller's own, what its elements point to is not.
func (p *Policy) Authorities() []provenance.Authority { return slices.Clone(p.authorities) }

// certifies reports whether an authority, known by its key's fingerprint, may speak for a principal.
func (p *Policy) certifies(fingerprint, principal string) bool {
	return slices.ContainsFunc(p.authorities, func(a provenance.Authority) bool {
		return ssh.FingerprintSHA256(a.Key) == fingerprint && slices.Contains(slices.Collect(maps.Values(a.Principals)), principal)
	})
}

func (l *loader) readAuthorities() {
	for _, block := range l.of("authority") {
		l.policy.authorities = append(l.policy.authorities, l.readAuthority(block))
	}
	slices.SortFunc(l.policy.authorities, func(a, b provenance.Authority) int { return strings.Compare(a.Name, b.Name) })
	l.policy.summary.Authorities = len(l.policy.authorities)
}

func (l *loader) readAuthority(block *hcl.Block) provenance.Authority {
	a := provenance.Authority{Name: block.Labels[0]}
	if err := gate.CheckName(a.Name); err != nil {
		l.complain(block.LabelRanges[0], "Malformed name", "%q cannot be an authority: %v.", a.Name, err)
	}
	f := l.fields(block)
	a.Principals = f.certified("principals")
	if line := f.text("key"); line.text != "" {
		a.Key = f.signerKey(line, block)
	}
	if len(a.Principals) == 0 && !f.broken && len(f.table("principals", "")) == 0 {
		f.complain(block.DefRange, "Nobody to speak for", "Authority %q has no principals, so it can speak for nobody: principals = { \"alice@example.org\" = \"alice\" }.", a.Name)
	}
	for _, item := range f.list("revoked") {
		if !strings.HasPrefix(item.text, "SHA256:") || len(item.text) != len("SHA256:")+43 { // 32 bytes in base64, RFC 4648 without padding
			f.complain(item.at, "Malformed fingerprint", "%s is no fingerprint of a key: ssh-keygen -lf FILE prints it, SHA256:...", quoted(item.text))
			continue
		}
		a.Revoked = append(a.Revoked, item.text)
	}
	return a
}

// certified reads { "alice@example.org" = "alice" }: whom the names in certificates speak for.
func (f *fields) certified(name string) map[string]string {
	found := map[string]string{}
	for _, item := range f.table(name, `{ "alice@example.org" = "alice" }`) {
		certified, ok := literalText(item.key)
		if !ok || certified == "" || strings.ContainsAny(certified, ",\x00\n") {
			f.complain(item.key.Range(), "Malformed name", "A name in certificates stands here, as a quoted text.")
			continue
		}
		principal, ok := f.speaks(item.value)
		if _, twice := found[certified]; ok && twice {
			f.complain(item.key.Range(), "Duplicate name", "The name %s stands here already.", quoted(certified))
		}
		if ok {
			found[certified] = principal
		}
	}
	return found
}
