package provenance

import (
	"golang.org/x/crypto/ssh"

	"forkgate/gate"
)

// SecurityKey is a key with a contact to touch (FIDO) that counts as a sign of a person's presence.
type SecurityKey struct {
	Name      string
	Principal string
	Key       ssh.PublicKey
	Enrolled  bool // its maker attested that it is hardware; else the operator marked it, which lets in and approves nothing
}

// Touch is what evidence says of a security key that was touched.
func (k SecurityKey) Touch() *gate.Touch {
	return &gate.Touch{Name: k.Name, Key: ssh.FingerprintSHA256(k.Key), Enrolled: k.Enrolled}
}

// readTouch takes what a touch adds to the word of an attestor. It makes nobody a person: who touches may have been told to by an agent.
// That a person asked, from a chain without an agent, is the attestor's to say.
func readTouch(caller *gate.Caller, e gate.Evidence, say func(string)) {
	t := e.Touch
	if t == nil || t.Name == "" || t.Key == "" {
		if e.Untouched != "" && caller.Kind == gate.Human {
			say("none of the security keys (" + gate.Printable(e.Untouched) + ") was touched: ssh asks for one at touch@host, and where policy tells the difference")
		}
		return
	}
	how := "marked by the operator: it lets in, and approves nothing"
	if t.Enrolled {
		how = "enrolled"
	}
	say("the security key " + gate.Printable(t.Name) + ", " + gate.Printable(t.Key) + ", was touched for this connection; it is " + how)
	if caller.Kind != gate.Human || caller.Class != gate.ClassAttested {
		say("a touch adds nothing where no person is attested")
		return
	}
	caller.Class, caller.SecurityKey, caller.Enrolled = gate.ClassPresence, t.Name, t.Enrolled
}
