package warden

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/provenance"
	"forkgate/gate/warden/client"
	"forkgate/tests/keys"
)

const stock = "SSH-2.0-OpenSSH_9.2p1"

// workstation is an attestor that says what a test wants.
type workstation struct {
	ca  ssh.Signer
	now time.Time
}

// attested is a host whose policy knows a workstation of alice's, where uid 1000 is alice.
func attested(t testing.TB) (*host, *workstation) {
	t.Helper()
	h, w := newHost(t), &workstation{ca: keys.New(t), now: time.Now()}
	h.text += fmt.Sprintf("attestor \"laptop\" {\n  key = %q\n  principals = { \"1000\" = \"alice\" }\n}\n", line(w.ca.PublicKey()))
	h.text += "permit \"override\" {\n  when = override.granted && op == \"exec\"\n}\n"
	h.text = strings.Replace(h.text, `caller.kind == "agent" && target.grand`, `caller.kind == "agent" && target.grand && !override.granted`, 1)
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	return h, w
}

func statement() provenance.Statement {
	return provenance.Statement{
		Verdict: provenance.ByPerson, Reasons: []string{"unbroken to a login"}, UID: 1000,
		Chain: []provenance.Link{{PID: 7, Start: 1, UID: 1000, Name: "ssh"}, {PID: 6, Start: 1, UID: 0, Name: "login"}}, Protections: provenance.Protections(),
	}
}

// certificate is one for a connection, of a statement, which spoil may change before it is signed.
func (w *workstation) certificate(t testing.TB, s provenance.Statement, c provenance.Connection, spoil func(*ssh.Certificate)) *ssh.Certificate {
	t.Helper()
	s.Session, s.HostKey = hex.EncodeToString(c.SessionID), ssh.FingerprintSHA256(c.HostKey)
	text, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var serial [8]byte
	rand.Read(serial[:])
	cert := &ssh.Certificate{
		Key: newKey(t), Serial: uint64(serial[0])<<32 | uint64(serial[1]), CertType: ssh.UserCert, ValidPrincipals: []string{"alice"},
		ValidAfter: uint64(w.now.Unix()), ValidBefore: uint64(w.now.Add(provenance.Lifetime).Unix()),
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{provenance.StatementOption: string(text)}, Extensions: map[string]string{}},
	}
	spoil(cert)
	if cert.Signature == nil {
		if err := cert.SignCert(rand.Reader, w.ca); err != nil {
			t.Fatal(err)
		}
	}
	return cert
}

// arrives is a connection up to where somebody has to say who it is.
func (h *host) arrives(t testing.TB) (*client.Client, provenance.Connection) {
	t.Helper()
	c := dial(t, h.door)
	has, err := c.HostKeys(t.Context())
	keys := has.Keys
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePublicKey(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	return c, provenance.Connection{SessionID: signHash(t, c), HostKey: key}
}

func claimOf(cert *ssh.Certificate, session []byte, user string) client.AssertRequest {
	return client.AssertRequest{User: []byte(user), Key: cert.Marshal(), SessionID: session, ClientVersion: []byte(stock)}
}

func good(*ssh.Certificate) {}

// whoamiOf asks the warden what it makes of a connection.
func whoamiOf(t testing.TB, c *client.Client, q client.VerbRequest) (who gate.Caller) {
	t.Helper()
	q.Words, q.JSON = say("whoami"), true
	text, err := c.Verb(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &who); err != nil {
		t.Fatal(err)
	}
	return who
}

func TestCertificates(t *testing.T) {
	h, w := attested(t)
	other := keys.New(t)
	for _, test := range []struct {
		name  string
		says  func(*provenance.Statement)
		spoil func(*testing.T, *ssh.Certificate)
		why   string
	}{
		{"good", nil, nil, ""},
		{"unknown CA", nil, func(t *testing.T, c *ssh.Certificate) { signedBy(t, c, other) }, provenance.ErrUnknownCA.Error()},
		{"expired", nil, func(_ *testing.T, c *ssh.Certificate) { c.ValidAfter -= 300; c.ValidBefore -= 300 }, "it ended at"},
		{"not yet", nil, func(_ *testing.T, c *ssh.Certificate) { c.ValidAfter += 300; c.ValidBefore += 300 }, "it begins at"},
		{"valid for a day", nil, func(_ *testing.T, c *ssh.Certificate) { c.ValidBefore += 86400 }, "it is made to last too long, from 20"},
		{"two principals", nil, func(_ *testing.T, c *ssh.Certificate) { c.ValidPrincipals = []string{"alice", "bob"} }, `it names ["alice" "bob"]`},
		{"no principal", nil, func(_ *testing.T, c *ssh.Certificate) { c.ValidPrincipals = nil }, "it names []"},
		{"a principal that is not its", nil, func(_ *testing.T, c *ssh.Certificate) { c.ValidPrincipals = []string{"bob"} }, `uid 1000 of laptop is not "bob"`},
		{"a uid that is not its", func(s *provenance.Statement) { s.UID, s.Chain[0].UID = 1001, 1001 }, nil, `uid 1001 of laptop is not "alice"`},
		{"an unknown critical option", nil, func(_ *testing.T, c *ssh.Certificate) { c.CriticalOptions["force-command"] = "id" }, "force-command"},
		{"no-touch-required", nil, func(_ *testing.T, c *ssh.Certificate) { c.Extensions["no-touch-required"] = "" }, "no-touch-required"},
		{"a host's", nil, func(_ *testing.T, c *ssh.Certificate) { c.CertType = ssh.HostCert }, provenance.ErrCertificate.Error()},
		{"no statement", nil, func(_ *testing.T, c *ssh.Certificate) { c.CriticalOptions = map[string]string{} }, provenance.ErrStatement.Error()},
		{"tampered statement", nil, func(t *testing.T, c *ssh.Certificate) {
			signedBy(t, c, w.ca)
			c.CriticalOptions[provenance.StatementOption] = strings.Replace(c.CriticalOptions[provenance.StatementOption], "person", "agent", 1)
		}, provenance.ErrCertificate.Error()},
		{"another session", nil, func(t *testing.T, c *ssh.Certificate) { rebind(t, c, "session") }, "its session id is not this one's"},
		{"another host key", nil, func(t *testing.T, c *ssh.Certificate) { rebind(t, c, "host_key") }, "it was made for the host key SHA256:x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, connection := h.arrives(t)
			s := statement()
			if test.says != nil {
				test.says(&s)
			}
			cert := w.certificate(t, s, connection, func(c *ssh.Certificate) {
				if test.spoil != nil {
					test.spoil(t, c)
				}
			})
			_, err := c.Assert(t.Context(), claimOf(cert, connection.SessionID, "gate"))
			if test.why == "" {
				if who := whoamiOf(t, c, client.VerbRequest{Alone: true}); err != nil || who.Kind != gate.Human || who.Class != gate.ClassAttested || len(who.Chain) != 2 {
					t.Errorf("a good one: %v, %+v", err, who)
				}
				return
			}
			h.refusedWith(t, err, test.why)
			if _, err := c.Verb(t.Context(), client.VerbRequest{Words: say("whoami")}); err == nil {
				t.Error("who was refused is answered")
			}
		})
	}
}

// refusedWith checks that the client hears nothing, and the record everything.
func (h *host) refusedWith(t testing.TB, err error, why string) {
	t.Helper()
	refusal, ok := gate.AsRefusal(err)
	if !ok || refusal.Reason != "the certificate is not accepted" {
		t.Errorf("the client is told %v", err)
	}
	all := h.log.all()
	if last := all[len(all)-1]; !strings.HasPrefix(last, "refused ") || !strings.Contains(last, why) {
		t.Errorf("the record says %q, not %q", last, why)
	}
}

// signedBy signs before the certificate is spoiled, or with another key.
func signedBy(t testing.TB, c *ssh.Certificate, by ssh.Signer) {
	t.Helper()
	if err := c.SignCert(rand.Reader, by); err != nil {
		t.Fatal(err)
	}
}

// rebind says another connection's in a field of the statement.
func rebind(t testing.TB, c *ssh.Certificate, field string) {
	t.Helper()
	var s provenance.Statement
	if err := json.Unmarshal([]byte(c.CriticalOptions[provenance.StatementOption]), &s); err != nil {
		t.Fatal(err)
	}
	if field == "session" {
		s.Session = strings.Repeat("00", 32)
	} else {
		s.HostKey = "SHA256:x"
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	c.CriticalOptions[provenance.StatementOption] = string(text)
}

func TestACertificateIsForOneConnectionOnce(t *testing.T) {
	h, w := attested(t)
	c, connection := h.arrives(t)
	first := w.certificate(t, statement(), connection, func(c *ssh.Certificate) { c.Serial = 42 })
	if _, err := c.Assert(t.Context(), claimOf(first, connection.SessionID, "gate")); err != nil {
		t.Fatal(err)
	}
	// The same certificate on another connection, and on another one that claims the first one's handshake.
	replay, another := h.arrives(t)
	_, err := replay.Assert(t.Context(), claimOf(first, another.SessionID, "gate"))
	h.refusedWith(t, err, "its session id is not this one's")
	before := len(h.log.all())
	if _, err := replay.Assert(t.Context(), claimOf(first, connection.SessionID, "gate")); err == nil || len(h.log.all()) != before {
		t.Errorf("a handshake of another connection's: %v", err)
	}
	// One with the serial of the first, in good order for its own connection.
	again := w.certificate(t, statement(), another, func(c *ssh.Certificate) { c.Serial = 42 })
	_, err = replay.Assert(t.Context(), claimOf(again, another.SessionID, "gate"))
	h.refusedWith(t, err, "serial 42 of laptop")
	// The control: a serial of its own is all that it lacked.
	fresh := w.certificate(t, statement(), another, func(c *ssh.Certificate) { c.Serial = 43 })
	if _, err := replay.Assert(t.Context(), claimOf(fresh, another.SessionID, "gate")); err != nil {
		t.Errorf("a good one: %v", err)
	}
	// A door that has been taken opens one session with it, and no second one.
	if who := whoamiOf(t, replay, client.VerbRequest{Alone: true}); who.Kind != gate.Human {
		t.Errorf("got %+v", who)
	}
	if _, err := replay.Verb(t.Context(), client.VerbRequest{Words: say("whoami"), Alone: true}); err == nil || !strings.Contains(err.Error(), "one session") {
		t.Errorf("a second session: %v", err)
	}
}

func TestSerialsAreBounded(t *testing.T) {
	now := time.Now()
	s := newSerials(func() time.Time { return now })
	for n := range uint64(maxSerials) {
		if !s.Use("laptop", n, now.Add(time.Minute)) {
			t.Fatalf("serial %d is refused", n)
		}
	}
	if s.Use("laptop", maxSerials, now.Add(time.Minute)) || s.Use("laptop", 7, now.Add(time.Minute)) {
		t.Error("one too many, or a second time, is taken")
	}
	if !s.Use("desk", 7, now.Add(time.Minute)) {
		t.Error("one attestor has used up what is another's")
	}
	now = now.Add(time.Minute)
	if !s.Use("laptop", maxSerials, now.Add(time.Minute)) || len(s.used["laptop"]) != 1 {
		t.Errorf("%d are remembered that can come no more", len(s.used["laptop"]))
	}
}
