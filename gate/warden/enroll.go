package warden

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/agext/levenshtein"
	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/enrolled"
	"forkgate/gate/provenance/presence"
	"forkgate/gate/warden/client"
)

// minChallenge is how many bytes a challenge has at least, so that a maker's signature is for this enrolment and none before.
const minChallenge = 16

// keyEnroll adds a security key whose maker has attested it to the record.
func keyEnroll(_ context.Context, r *request, q client.KeyEnrollRequest) (answer, error) {
	k, err := r.enrollable(q)
	if err != nil {
		return answer{}, err
	}
	if err := r.record("key enroll %s --principal=%s: %s, model %q of %q", k.Name, k.Principal, fingerprint(k.Public().Marshal()), k.Model, k.By); err != nil {
		return answer{}, err
	}
	switch err := r.enrolled.Add(k); {
	case errors.Is(err, enrolled.ErrName), errors.Is(err, enrolled.ErrKey):
		return answer{}, &gate.Refusal{Reason: err.Error(), Hint: "forkgate key list; forkgate key remove NAME"}
	case err != nil:
		return answer{}, err
	}
	return answer{body: shown(k)}, nil
}

// enrollable checks all that is asked of a key before it is enrolled.
func (r *request) enrollable(q client.KeyEnrollRequest) (enrolled.Key, error) {
	refuse := func(hint, reason string, args ...any) (enrolled.Key, error) {
		return enrolled.Key{}, &gate.Refusal{Reason: fmt.Sprintf(reason, args...), Hint: hint}
	}
	if err := gate.CheckName(q.Name); err != nil {
		return refuse("choose another name, alice-yubikey for one", "%.80q is no name for a security key: %v", q.Name, err)
	}
	if _, known := r.rules.PrincipalByName(q.Principal); !known {
		return refuse(nearest(q.Principal, r.rules.Names()), "there is no principal %.80q", q.Principal)
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey(q.Key)
	if err != nil || len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 || !presence.IsSecurityKey(key) {
		return refuse("give the .pub file that ssh-keygen -t ed25519-sk wrote", "this is no public key of a security key")
	}
	if owner, signsIn := r.rules.Principal(key.Marshal()); signsIn && owner.Name != q.Principal {
		return refuse("a security key shows the presence of one principal", "the key is %s's in the policy", owner.Name)
	}
	if len(q.Challenge) < minChallenge {
		return refuse("head -c 32 /dev/urandom makes one, before the key is made", "the challenge has %d bytes, and %d are the least", len(q.Challenge), minChallenge)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(q.Roots) {
		return refuse("give the PEM file that the key's maker publishes", "there is no root certificate in what was given")
	}
	made, err := presence.VerifyAttestation(key, q.Attestation, q.Challenge, roots, r.now())
	if errors.Is(err, presence.ErrRoot) {
		return refuse("--root takes the certificate that the maker of this very key publishes for it, as PEM", "%v", err)
	}
	if err != nil {
		return refuse("ssh-keygen -t ed25519-sk -O challenge=FILE -O write-attestation=FILE", "%v", err)
	}
	return enrolled.New(enrolled.Key{
		Name: q.Name, Principal: q.Principal, Line: enrolled.LineOf(key), Model: made.Model, By: made.By, Issuer: made.Issuer, At: r.now().UTC(),
	})
}

// nearest is the hint for an unknown principal.
func nearest(name string, known []string) string {
	for _, k := range known {
		if len(name) <= gate.MaxName && levenshtein.Distance(name, k, nil) <= 2 {
			return "did you mean " + k + "?"
		}
	}
	return "the policy says which there are; one that was just added is there once forkgate policy check loads it"
}

// keyList lists the security keys that count, and those that would if policy knew their principals.
func keyList(_ context.Context, r *request, _ struct{}) (answer, error) {
	reply := client.KeyListReply{Keys: []client.SecurityKey{}}
	for _, k := range r.enrolled.All() {
		reply.Keys = append(reply.Keys, shown(k))
	}
	for _, k := range r.rules.SecurityKeys() {
		reply.Keys = append(reply.Keys, client.SecurityKey{Name: k.Name, Principal: k.Principal, Fingerprint: ssh.FingerprintSHA256(k.Key), Asked: asked(k)})
	}
	for i, k := range reply.Keys {
		_, reply.Keys[i].Known = r.rules.PrincipalByName(k.Principal)
	}
	return answer{body: reply}, nil
}

func shown(k enrolled.Key) client.SecurityKey {
	return client.SecurityKey{
		Name: k.Name, Principal: k.Principal, Fingerprint: ssh.FingerprintSHA256(k.Public()), Enrolled: true, Known: true,
		Asked: k.Public().Type() == ssh.KeyAlgoSKED25519,
		Model: k.Model, By: k.By, Issuer: k.Issuer, At: k.At,
	}
}

// keyRemove takes a key out of the record. Connections for which it was touched lose that at once.
func keyRemove(ctx context.Context, r *request, q client.KeyRemoveRequest) (answer, error) {
	if err := r.record("key remove %q", q.Name); err != nil {
		return answer{}, err
	}
	err := r.enrolled.Remove(q.Name)
	if errors.Is(err, enrolled.ErrNone) {
		hint := "forkgate key list shows which there are"
		for _, k := range r.rules.SecurityKeys() {
			if k.Name == q.Name {
				hint = "it is marked in the policy: remove its block there"
			}
		}
		return answer{}, &gate.Refusal{Reason: fmt.Sprintf("no security key %.80q is enrolled", q.Name), Hint: hint}
	}
	if err != nil {
		return answer{}, err
	}
	r.reconsider(ctx) // who is in by a touch of it
	return answer{body: struct{}{}}, nil
}
