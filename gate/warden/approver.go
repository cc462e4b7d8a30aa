package warden

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/enrolled"
	"forkgate/gate/grants"
	"forkgate/gate/provenance/presence"
)

// enrolledKeys is what the granter asks of the record of enrolled keys: marked ones let in, and approve nothing.
type enrolledKeys interface {
	Find(ssh.PublicKey) (enrolled.Key, bool)
}

// proof says by what an approver is known to be a person who agrees, or refuses. Policy has said already that this principal may approve;
// what it takes to be believed is no matter of policy. said is the code that stands below the wish, or a signature.
func (g *granter) proof(asked *word, who gate.Caller, w grants.Waiting, said string) (string, error) {
	switch {
	case asked.asking.Door == operatorDoor:
		return "root on this host", g.read(w, said)
	case presence.IsSignature(said):
		return g.signed(who, w, said)
	case who.Kind != gate.Human: // it need not know by which way a person does
		return "", &gate.Refusal{
			Reason: fmt.Sprintf("approving takes a person: this connection is an agent's, of class %d", who.Class), Hint: "tell " + w.ID + " to a person who may approve it",
		}
	case who.Class < gate.ClassPresence || !who.Enrolled:
		return "", asked.untouched(who, w.ID)
	case who.Principal == w.Who.Principal:
		return "", &gate.Refusal{
			Reason: "what " + who.Principal + " asks somebody else approves, or a signature by a security key that has verified you",
			Hint:   "sign what ssh gate@host challenge " + w.ID + " prints; ssh gate@host help approve says how",
		}
	}
	return "the security key " + who.SecurityKey + " was touched for a connection of class 4", g.read(w, said)
}

// untouched says to a person what is missing: to who has been asked for a touch something else than where one is asked.
func (w *word) untouched(who gate.Caller, id string) *gate.Refusal {
	no := &gate.Refusal{
		Reason: fmt.Sprintf("approving takes a touch of an enrolled security key: this connection is of class %d", who.Class),
		Hint:   "ssh touch@host approve " + id + " CODE asks for one, ssh gate@host grants " + id + " shows CODE; ssh gate@host help approve says how to sign instead",
	}
	switch {
	case who.SecurityKey != "":
		no.Reason = "approving takes a touch of an enrolled security key: " + who.SecurityKey + ", which was touched, is only marked"
		no.Hint = "the operator enrolls one with forkgate key enroll"
	case w.identity.user != gate.TouchUser:
	case w.identity.attested == nil:
		no.Hint = "a touch is asked for beside an attestor's certificate alone, and this connection has none; ssh gate@host help approve says how to sign instead"
	case len(w.touchesOf(who.Principal)) == 0:
		no.Hint = "no security key of " + who.Principal + " is known: the operator enrolls one with forkgate key enroll"
	default:
		no.Reason = fmt.Sprintf("approving takes a touch of an enrolled security key, and none answered: this connection is of class %d", who.Class)
		no.Hint = "ssh needs the key's file (~/.ssh/id_ed25519_sk, or an IdentityFile) or an ssh-agent that has it: ssh -v touch@host whoami shows the keys that it tries"
	}
	return no
}

// signed takes a signature over the wish's challenge for a proof: by an enrolled key of the approver's own, which has verified who
// touched it. Such a one may approve what its own principal asks: who signs has read what for.
func (g *granter) signed(who gate.Caller, w grants.Waiting, signature string) (string, error) {
	proof, err := presence.Verify(g.challenge(w), presence.Armored(signature), g.now())
	if err != nil {
		reason := strings.TrimSpace(err.Error())
		if !errors.Is(err, presence.ErrSignature) { // which says so itself
			reason = "the signature is not good: " + reason
		}
		return "", &gate.Refusal{Reason: reason, Hint: "sign what ssh gate@host challenge " + w.ID + " prints"}
	}
	key, ok := enrolled.Key{}, false
	if g.keys != nil {
		key, ok = g.keys.Find(proof.Key)
	}
	switch {
	case !ok || key.Principal != who.Principal:
		return "", &gate.Refusal{Reason: fmt.Sprintf("%s is no enrolled security key of %s", ssh.FingerprintSHA256(proof.Key), who.Principal), Hint: "the operator enrolls one with: forkgate key enroll"}
	case !proof.Verified:
		return "", &gate.Refusal{Reason: "the security key was touched, and has not verified by whom", Hint: "sign with a key made by ssh-keygen -O verify-required"}
	}
	return "the security key " + key.Name + " has verified who signed", nil
}

// challenge is what there is to sign for a wish. The nonce is the wish's own, and with the wish it is gone.
func (g *granter) challenge(w grants.Waiting) presence.Challenge {
	return presence.Challenge{
		Host: g.host, Caller: w.Who.Principal, Kind: w.Who.Kind, Repo: w.Target.Ref(), Op: w.Op, Command: w.Command, Env: w.Env,
		Uses: max(w.Terms.Uses, 1), Lasts: w.Terms.Lasts, Expires: w.Until.Truncate(time.Second).UTC(), Nonce: w.Nonce,
	}
}

// unknownGrant is what callers hear of a name that is nothing's, and of one that is not theirs to know.
func unknownGrant(id string) *gate.Refusal {
	return &gate.Refusal{
		Reason: fmt.Sprintf("nothing of the name %.40q waits for your approval, or is granted and yours to end; it may have ended", id),
		Hint:   "ssh gate@host grants",
	}
}

func isUnknown(err error) bool { return errors.Is(err, grants.ErrUnknown) }
