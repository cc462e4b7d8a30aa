package warden

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/provenance"
	"forkgate/gate/provenance/presence"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// securityKey finds a security key that counts: enrolled, or marked by policy. One that policy has as another principal's, to sign in
// with, speaks for neither.
func (w *Warden) securityKey(key ssh.PublicKey) (provenance.SecurityKey, bool) {
	if !presence.IsSecurityKey(key) {
		return provenance.SecurityKey{}, false
	}
	for _, k := range w.securityKeys() {
		if string(k.Key.Marshal()) != string(key.Marshal()) {
			continue
		}
		owner, signsIn := w.rules.Principal(key.Marshal())
		return k, !signsIn || owner.Name == k.Principal
	}
	return provenance.SecurityKey{}, false
}

// securityKeys lists those that are enrolled, and after them those that are marked.
func (w *Warden) securityKeys() []provenance.SecurityKey {
	var all []provenance.SecurityKey
	for _, k := range w.enrolled.All() {
		all = append(all, provenance.SecurityKey{Name: k.Name, Principal: k.Principal, Key: k.Public(), Enrolled: true})
	}
	return append(all, w.rules.SecurityKeys()...)
}

// enterWithin is how long after the key exchange somebody may have signed what lets him in: a minute to sign in, and two to read and
// to answer.
const enterWithin = 3 * time.Minute

// touchable reports whether a touch of the key would count beside what this connection has proved. Only ed25519 keys are asked to
// authenticate: a door cannot hand over the signatures of the others, see door.signatureBehind. With these one signs a text.
func (r *request) touchable(wireKey []byte) bool {
	key, err := ssh.ParsePublicKey(wireKey)
	if err != nil || r.identity == nil || r.identity.attested == nil {
		return false
	}
	k, counts := r.securityKey(key)
	return counts && asked(k) && k.Principal == r.identity.principal
}

func asked(k provenance.SecurityKey) bool { return k.Key.Type() == ssh.KeyAlgoSKED25519 }

// asksForTouch reports whether the client is to be asked for a touch. That is where a person is attested who has a security key, and
// the touch would make a difference: where policy would answer otherwise, and under the user name by which one asks to be asked.
func (r *request) asksForTouch(ctx context.Context) bool {
	who := r.identity
	if who.attested == nil {
		return false
	}
	keys := r.touchesOf(who.principal)
	if len(keys) == 0 {
		return false
	}
	evidence, err := r.evidence(true, nil, nil)
	if err != nil {
		return false
	}
	ask := gate.Ask{Evidence: evidence}
	without := r.gate.Request(ask)
	if without.Caller.Kind != gate.Human {
		return false
	}
	if gate.IsControl(who.user) {
		return who.user == gate.TouchUser
	}
	var exists bool
	if without.Target, exists = r.wouldBe(ctx, who.user, who.principal); !exists {
		return false
	}
	return slices.ContainsFunc(keys, func(k provenance.SecurityKey) bool {
		ask.Evidence.Touch = k.Touch()
		with := r.gate.Request(ask)
		with.Target = without.Target
		return r.differ(without, with)
	})
}

// touchesOf lists the security keys of a principal.
func (w *Warden) touchesOf(principal string) []provenance.SecurityKey {
	return slices.DeleteFunc(w.securityKeys(), func(k provenance.SecurityKey) bool { return k.Principal != principal })
}

// toSign is what somebody runs whose security key cannot be asked to authenticate; empty where every key can.
func (r *request) toSign(who *identity) string {
	if !slices.ContainsFunc(r.touchesOf(who.principal), func(k provenance.SecurityKey) bool { return !asked(k) }) {
		return ""
	}
	command, err := r.entering(who).Command()
	if err != nil {
		r.journal.Error("a touch cannot be asked for", "error", err, "session", r.session)
	}
	return command
}

func (r *request) entering(who *identity) presence.Entering {
	return presence.Entering{Host: r.host, Caller: who.principal, User: who.user, SessionID: who.session}
}

// wouldBe is what the user name leads to: a repository or fork, or the fork to be. Nothing is recorded of it: nothing is asked yet.
func (r *request) wouldBe(ctx context.Context, user, principal string) (target gate.Target, ok bool) {
	ref, err := gate.ParseRef(user)
	if err != nil {
		return gate.Target{}, false
	}
	if target, ok, err = r.gate.Forks.Find(ctx, ref.Repo, ref.Tag); err == nil && ok && !ref.Fresh {
		return target, true
	}
	parent, ok, err := r.gate.Forks.Find(ctx, ref.Repo, "")
	if err != nil || !ok || !ref.IsFork() {
		return gate.Target{}, false
	}
	return gate.ForkOf(parent, ref.Tag, principal), true
}

// differ reports whether policy answers two requests differently, whatever is asked.
func (r *request) differ(a, b gate.Request) bool {
	return slices.ContainsFunc(gate.Ops(), func(op gate.Op) bool {
		a.Op, b.Op = op, op
		return r.gate.Judge.Decide(a).Verdict != r.gate.Judge.Decide(b).Verdict
	})
}

// touch verifies what a security key has signed for this connection. The door's word counts for nothing: the session id is one that
// was signed here, the user is the one of the assertion, and the flags are under the signature.
func touch(_ context.Context, r *request, q client.TouchRequest) (answer, error) {
	who := r.identity
	if who.attested == nil || who.tried {
		return answer{}, fmt.Errorf("%w: a touch beside no certificate, or a second one", wire.ErrMalformed)
	}
	who.tried = true
	key, err := r.verifyTouch(who, q)
	if err != nil {
		return answer{}, r.refuseTouch(q.Key, who, err)
	}
	who.touched = key
	return answer{body: struct{}{}}, nil
}

func (r *request) verifyTouch(who *identity, q client.TouchRequest) (ssh.PublicKey, error) {
	proof, err := r.proof(who, q)
	if err != nil {
		return nil, err
	}
	if k, counts := r.securityKey(proof.Key); !counts || k.Principal != who.principal {
		return nil, fmt.Errorf("the security key is not one of %s that counts", who.principal)
	}
	return proof.Key, nil
}

// proof is of a signature that was made for this connection, and a short while ago.
func (r *request) proof(who *identity, q client.TouchRequest) (presence.Proof, error) {
	if q.Signed != "" {
		if r.now().Sub(r.signed.at(who.session)) > enterWithin {
			return presence.Proof{}, fmt.Errorf("%w: it comes more than %s after the key exchange", presence.ErrSignature, gate.Span(enterWithin))
		}
		return presence.VerifyEntering(r.entering(who), presence.Armored(q.Signed))
	}
	key, err := ssh.ParsePublicKey(q.Key)
	if err != nil {
		return presence.Proof{}, err
	}
	if _, recent := r.signed.by(who.session, r.now()); !recent {
		return presence.Proof{}, fmt.Errorf("%w: it comes more than a minute after the key exchange", presence.ErrSignature)
	}
	return presence.VerifyUserauth(key, who.session, []byte(who.user), q.Signature)
}

// refuseTouch records why, and returns what the door is told.
func (r *request) refuseTouch(key []byte, who *identity, why error) error {
	asked := gate.Request{
		Caller: gate.Caller{Principal: who.principal, Key: fingerprint(key), Evidence: []string{}}, Source: who.source, Door: sshDoor,
	}
	if err := r.log.Refused(r.session, asked, "security key: "+why.Error()); err != nil {
		return err
	}
	return &gate.Refusal{Reason: "the security key is not accepted", Hint: "ask the operator, who finds out why"}
}

// touchOf is the touch of a connection, as far as its key still counts, or else what could have been touched.
func (r *request) touchOf(who *identity) (touched *gate.Touch, untouched string) {
	if who.touched != nil {
		if k, counts := r.securityKey(who.touched); counts && k.Principal == who.principal {
			return k.Touch(), ""
		}
	}
	var names []string
	for _, k := range r.touchesOf(who.principal) {
		names = append(names, k.Name)
	}
	return nil, strings.Join(names, ", ")
}

// untouched records, on the word of the door, that a security key signed without being touched. A door that lies can fill no disk.
func untouched(_ context.Context, r *request, q client.UntouchedRequest) (answer, error) {
	if !r.strangers.AllowN(r.now(), 1) {
		return answer{body: struct{}{}}, nil
	}
	who := &identity{source: q.Source.Addr().Unmap()}
	if p, known := r.rules.Principal(q.Key); known {
		who.principal = p.Name
	}
	if err := r.refuseTouch(q.Key, who, presence.ErrUntouched); !isRefusal(err) {
		return answer{}, err
	}
	return answer{body: struct{}{}}, nil
}

// fingerprint names a key that need be none.
func fingerprint(wireKey []byte) string {
	key, err := ssh.ParsePublicKey(wireKey)
	if err != nil {
		return ""
	}
	return ssh.FingerprintSHA256(plain(key))
}
