package warden

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/enrolled"
	"forkgate/gate/provenance"
	"forkgate/gate/provenance/presence"
	"forkgate/gate/warden/client"
	"forkgate/tests/keys"
)

// present is a host whose alice has a workstation and a security key that policy marks; forbid says where a touch is asked for.
func present(t testing.TB) (*host, *workstation, *keys.SecurityKey) {
	t.Helper()
	h, w := attested(t)
	key := keys.NewSecurityKey(t)
	h.more(t, marked("yubikey", "alice", key.PublicKey()))
	return h, w, key
}

func marked(name, principal string, key ssh.PublicKey) string {
	return fmt.Sprintf("security_key %q {\n  principal = %q\n  key = %q\n  presence = true\n}\n", name, principal, line(key))
}

const wantsTouch = `
forbid "a-touch" {
  when   = target.grand && target.repo == "demo" && op == "exec" && caller.class < 4
  reason = "touch your security key"
}
`

// more adds to the policy.
func (h *host) more(t testing.TB, text string) {
	t.Helper()
	h.text += text
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
}

// comes is a connection of alice's with a certificate.
func (h *host) comes(t testing.TB, w *workstation, s provenance.Statement, user string) (*client.Client, provenance.Connection, client.AssertReply) {
	t.Helper()
	c, connection := h.arrives(t)
	reply, err := c.Assert(t.Context(), claimOf(w.certificate(t, s, connection, good), connection.SessionID, user))
	if err != nil {
		t.Fatal(err)
	}
	return c, connection, reply
}

func TestATouchMakesClassFour(t *testing.T) {
	h, w, key := present(t)
	h.more(t, wantsTouch)
	c, connection, _ := h.comes(t, w, statement(), "gate")
	if err := c.Touch(t.Context(), client.TouchRequest{Key: key.PublicKey().Marshal(), Signature: keys.Userauth(t, key, connection.SessionID, "gate")}); err != nil {
		t.Fatal(err)
	}
	who := whoamiOf(t, c, client.VerbRequest{Alone: true})
	if who.Kind != gate.Human || who.Class != gate.ClassPresence || who.SecurityKey != "yubikey" || who.Enrolled || !strings.Contains(strings.Join(who.Evidence, "\n"), "approves nothing") {
		t.Errorf("marked: %+v", who)
	}
	opens := func(touch bool) error {
		c, connection, _ := h.comes(t, w, statement(), "demo")
		if touch {
			if err := c.Touch(t.Context(), client.TouchRequest{Key: key.PublicKey().Marshal(), Signature: keys.Userauth(t, key, connection.SessionID, "demo")}); err != nil {
				t.Fatal(err)
			}
		}
		session, err := c.Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("id"), Alone: true})
		if err == nil {
			session.Close()
		}
		return err
	}
	if err := opens(true); err != nil {
		t.Errorf("production with a touch: %v", err)
	}
	if err := opens(false); err == nil || !strings.Contains(err.Error(), "touch your security key") {
		t.Errorf("production without one: %v", err)
	}
}

// What a taken gate, or a client by way of a sound one, can hand over without the key having been touched for this connection.
func TestTouchesThatCountForNothing(t *testing.T) {
	h, w, key := present(t)
	bobs, nobodys, old := keys.NewSecurityKey(t), keys.NewSecurityKey(t), keys.NewSecurityKeyECDSA(t)
	h.more(t, marked("bobs", "bob", bobs.PublicKey()))
	_, other := h.arrives(t)
	untouched := *key
	untouched.Flags = 0
	for _, test := range []struct {
		name    string
		key     ssh.PublicKey
		by      ssh.Signer
		session []byte // nil: the connection's
		user    string
		why     string
	}{
		{"another connection's", key.PublicKey(), key, other.SessionID, "gate", "signature is not good"},
		{"for another user", key.PublicKey(), key, nil, "demo", "signature is not good"},
		{"not touched", key.PublicKey(), &untouched, nil, "gate", "nobody touched"},
		{"made up", key.PublicKey(), nobodys, nil, "gate", "signature is not good"},
		{"of a key that is not enrolled", nobodys.PublicKey(), nobodys, nil, "gate", "not one of alice that counts"},
		{"of another's", bobs.PublicKey(), bobs, nil, "gate", "not one of alice that counts"},
		{"of an unknown ecdsa key", old.PublicKey(), old, nil, "gate", "not one of alice that counts"},
		{"of a key without a contact", h.alice, keys.New(t), nil, "gate", "no security key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, connection, _ := h.comes(t, w, statement(), "gate")
			session := connection.SessionID
			if test.session != nil {
				session = test.session
			}
			signature := keys.Userauth(t, shows{test.by, test.key}, session, test.user)
			err := c.Touch(t.Context(), client.TouchRequest{Key: test.key.Marshal(), Signature: signature})
			if refusal, ok := gate.AsRefusal(err); !ok || refusal.Reason != "the security key is not accepted" {
				t.Errorf("the client is told %v", err)
			}
			all := h.log.all()
			if last := all[len(all)-1]; !strings.HasPrefix(last, "refused ") || !strings.Contains(last, test.why) {
				t.Errorf("the record says %q", last)
			}
			// Once refused, the connection has had its try, good or not.
			good := client.TouchRequest{Key: key.PublicKey().Marshal(), Signature: keys.Userauth(t, key, connection.SessionID, "gate")}
			if err := c.Touch(t.Context(), good); err == nil {
				t.Error("a second try is taken")
			}
			if who := whoamiOf(t, c, client.VerbRequest{Alone: true}); who.Class != gate.ClassAttested || who.SecurityKey != "" {
				t.Errorf("got %+v", who)
			}
		})
	}
}

// A key that cannot be asked to authenticate signs a text, and that as good as the other way.
func TestASignedTextMakesClassFour(t *testing.T) {
	h, w := attested(t)
	old, another := keys.NewSecurityKeyECDSA(t), keys.NewSecurityKeyECDSA(t)
	h.more(t, marked("old", "alice", old.PublicKey())+wantsTouch)
	sign := func(key ssh.Signer, command string) string {
		return string(keys.SSHSIG(t, key, presence.EnteringNamespace, []byte(strings.Split(command, "'")[1])))
	}
	untouched := *old
	untouched.Flags = 0
	_, _, earlier := h.comes(t, w, statement(), "demo")
	for _, test := range []struct {
		name string
		sign func(command string) string
		why  string // empty: it counts
	}{
		{"the control", func(command string) string { return sign(old, command) }, ""},
		{"another connection's", func(string) string { return sign(old, earlier.Sign) }, "signature is not good"},
		{"made elsewhere", func(command string) string { return sign(old, strings.Replace(command, "demo", "gate", 1)) }, "signature is not good"},
		{"of a key that is not enrolled", func(command string) string { return sign(another, command) }, "not one of alice that counts"},
		{"of a key without a contact", func(command string) string { return sign(keys.New(t), command) }, "no security key"},
		{"not touched", func(command string) string { return sign(&untouched, command) }, "nobody touched"},
		{"a word", func(string) string { return "yes" }, "signature is not good"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _, reply := h.comes(t, w, statement(), "demo")
			if !reply.Touch || reply.Sign == earlier.Sign {
				t.Fatalf("asked for %+v", reply)
			}
			err := c.Touch(t.Context(), client.TouchRequest{Signed: test.sign(reply.Sign)})
			if all := h.log.all(); test.why != "" && !strings.Contains(all[len(all)-1], test.why) {
				t.Errorf("the record says %q", all[len(all)-1])
			}
			if (err == nil) != (test.why == "") {
				t.Errorf("the client is told %v", err)
			}
			session, err := c.Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("id"), Alone: true})
			if err == nil {
				session.Close()
			}
			if (err == nil) != (test.why == "") {
				t.Errorf("what wants a touch opens: %v", err)
			}
		})
	}
}

// The control: what is right is taken.
func TestATouchThatCounts(t *testing.T) {
	h, w, key := present(t)
	c, connection, _ := h.comes(t, w, statement(), "gate")
	good := client.TouchRequest{Key: key.PublicKey().Marshal(), Signature: keys.Userauth(t, key, connection.SessionID, "gate")}
	if err := c.Touch(t.Context(), good); err != nil {
		t.Errorf("what is right is refused: %v", err)
	}
}

// Without a certificate there is nothing that a touch could be beside.
func TestATouchBesideNoCertificate(t *testing.T) {
	h, _, key := present(t)
	c := dial(t, h.door)
	session := signHash(t, c)
	if _, err := c.Assert(t.Context(), client.AssertRequest{User: []byte("gate"), Key: h.alice.Marshal(), SessionID: session}); err != nil {
		t.Fatal(err)
	}
	if err := c.Touch(t.Context(), client.TouchRequest{Key: key.PublicKey().Marshal(), Signature: keys.Userauth(t, key, session, "gate")}); err == nil {
		t.Error("taken")
	}
	if who := whoamiOf(t, c, client.VerbRequest{Alone: true}); who.Class != gate.ClassKey {
		t.Errorf("got %+v", who)
	}
}

// shows has one key and shows another.
type shows struct {
	ssh.Signer
	key ssh.PublicKey
}

func (s shows) PublicKey() ssh.PublicKey { return s.key }

// A key that counts no more takes its touch with it, on connections that are open.
func TestAKeyThatCountsNoMore(t *testing.T) {
	h, w, key := present(t)
	record := func(principal string) enrolled.Key {
		return enrolled.Key{Name: "enrolled", Principal: principal, Line: line(key.PublicKey()), By: "CN=keys", Issuer: "CN=root", At: time.Now()}
	}
	c, connection, _ := h.comes(t, w, statement(), "demo")
	touch := client.TouchRequest{Key: key.PublicKey().Marshal(), Signature: keys.Userauth(t, key, connection.SessionID, "demo")}
	if err := c.Touch(t.Context(), touch); err != nil {
		t.Fatal(err)
	}
	mark := marked("yubikey", "alice", key.PublicKey())
	for _, test := range []struct {
		name   string
		change func() error
		class  gate.Class
		key    string
	}{
		{"marked", func() error { return nil }, gate.ClassPresence, "yubikey"},
		{"enrolled as well", func() error { return h.enrolled.Add(record("alice")) }, gate.ClassPresence, "enrolled"},
		{"marked again", func() error { return h.enrolled.Remove("enrolled") }, gate.ClassPresence, "yubikey"},
		{"neither", func() error { h.text = strings.Replace(h.text, mark, "", 1); return h.rules.reload() }, gate.ClassAttested, ""},
		{"enrolled for another", func() error { return h.enrolled.Add(record("bob")) }, gate.ClassAttested, ""},
		{"enrolled", func() error { _ = h.enrolled.Remove("enrolled"); return h.enrolled.Add(record("alice")) }, gate.ClassPresence, "enrolled"},
		{"another's to sign in with", func() error {
			h.text = strings.Replace(h.text, line(h.bob), line(key.PublicKey()), 1)
			return h.rules.reload()
		}, gate.ClassAttested, ""},
	} {
		if err := test.change(); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		who := h.rules.Caller(evidenceOf(t, h, w, connection, touch))
		if who.Class != test.class || who.SecurityKey != test.key || who.Enrolled != (test.key == "enrolled") {
			t.Errorf("%s: %+v", test.name, who)
		}
	}
}

// evidenceOf is what a connection with a touch amounts to now. A control word would use its one session up.
func evidenceOf(t testing.TB, h *host, w *workstation, c provenance.Connection, touch client.TouchRequest) gate.Evidence {
	t.Helper()
	cert := w.certificate(t, statement(), c, good)
	key, err := ssh.ParsePublicKey(touch.Key)
	if err != nil {
		t.Fatal(err)
	}
	who := &identity{key: cert, version: stock, principal: "alice", touched: key, attested: &attestation{
		ssh.FingerprintSHA256(w.ca.PublicKey()), []byte(cert.CriticalOptions[provenance.StatementOption]),
	}}
	r := &request{connection: &connection{Warden: h.Warden, role: door, identity: who}}
	evidence, err := r.evidence(true, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return evidence
}

// A security key that signs in alone is a key.
func TestABareSecurityKeyIsClassTwo(t *testing.T) {
	h, _ := attested(t)
	key := keys.NewSecurityKey(t)
	h.more(t, fmt.Sprintf("principal \"carol\" {\n  keys = [%q]\n}\n", line(key.PublicKey()))+marked("carols", "carol", key.PublicKey()))
	who := whoamiOf(t, h.connect(t, "gate", key.PublicKey()), client.VerbRequest{Alone: true})
	if who.Kind != gate.Agent || who.Class != gate.ClassKey || !strings.Contains(strings.Join(who.Evidence, "\n"), "nothing shows by whom") {
		t.Errorf("got %+v", who)
	}
}

// The record knows of keys that sign without being touched, but not as often as a door likes.
func TestUntouchedIsRecorded(t *testing.T) {
	h, _, key := present(t)
	c := dial(t, h.door)
	for range 200 {
		if err := c.Untouched(t.Context(), client.UntouchedRequest{Key: key.PublicKey().Marshal()}); err != nil {
			t.Fatal(err)
		}
	}
	all := h.log.all()
	if n := len(all); n < 100 || n > 150 || !strings.Contains(all[n-1], "nobody touched the security key") {
		t.Errorf("%d of 200 are in the record, %q", n, all[n-1])
	}
}

// The handshake must be over within a minute of the key exchange.
func TestALateTouch(t *testing.T) {
	h, w, key := present(t)
	c, ours, _ := h.comes(t, w, statement(), "gate")
	signature := keys.Userauth(t, key, ours.SessionID, "gate")
	r := &request{connection: &connection{Warden: h.Warden, role: door, identity: &identity{
		user: "gate", principal: "alice", attested: &attestation{}, session: ours.SessionID,
	}}}
	r.signed.add(ours.SessionID, ours.HostKey, time.Now().Add(-signedFor-time.Second))
	if _, err := touch(t.Context(), r, client.TouchRequest{Key: key.PublicKey().Marshal(), Signature: signature}); err == nil || r.identity.touched != nil {
		t.Errorf("a late one: %v", err)
	}
	if err := c.Touch(t.Context(), client.TouchRequest{Key: key.PublicKey().Marshal(), Signature: signature}); err != nil {
		t.Errorf("the control, in time: %v", err)
	}
	// A text may take longer, and not for ever.
	text, err := r.entering(r.identity).Text()
	if err != nil {
		t.Fatal(err)
	}
	signed := client.TouchRequest{Signed: string(keys.SSHSIG(t, key, presence.EnteringNamespace, []byte(text)))}
	for _, test := range []struct {
		ago time.Duration
		ok  bool
	}{{enterWithin - time.Second, true}, {enterWithin + time.Second, false}, {1 << 40, false}} {
		r.identity.tried, r.identity.touched, r.connection.signed = false, nil, nil
		r.connection.signed.add(ours.SessionID, ours.HostKey, time.Now().Add(-test.ago))
		if _, err := touch(t.Context(), r, signed); (err == nil) != test.ok || (r.identity.touched != nil) != test.ok {
			t.Errorf("signed %s after the key exchange: %v", test.ago, err)
		}
	}
}
