package warden

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/provenance"
	"forkgate/gate/warden/client"
	"forkgate/tests/keys"
)

// What a client proves by a certificate, and what takes it away again.
func TestWhoIsAttested(t *testing.T) {
	h, w := attested(t)
	agent := statement()
	agent.Verdict, agent.Agent, agent.Reasons = provenance.ByAgent, "Claude Code", []string{"comm claude"}
	unverified := statement()
	unverified.Verdict = provenance.Unverified
	weak := statement()
	weak.Protections = []provenance.Protection{provenance.NoTIOCSTI}
	for _, test := range []struct {
		name    string
		s       provenance.Statement
		version string
		q       client.VerbRequest
		kind    gate.Kind
		says    string
	}{
		{"a person", statement(), stock, client.VerbRequest{Alone: true}, gate.Human, "says: person"},
		{"an agent", agent, stock, client.VerbRequest{Alone: true}, gate.Agent, "says: agent"},
		{"unverified", unverified, stock, client.VerbRequest{Alone: true}, gate.Agent, "says: unverified"},
		{"less than the minimum", weak, stock, client.VerbRequest{Alone: true}, gate.Agent, "laptop does not say of this login that the protection ptrace held, which policy asks for"},
		{"a mark of an agent", statement(), stock, client.VerbRequest{Alone: true, Marks: say("CLAUDECODE=1")}, gate.Agent, "a mark of Claude Code"},
		{"a connection for all", statement(), stock, client.VerbRequest{}, gate.Agent, "ControlMaster no"},
		{"another client", statement(), "SSH-2.0-Go", client.VerbRequest{Alone: true}, gate.Agent, "speak for OpenSSH alone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, connection := h.arrives(t)
			claim := claimOf(w.certificate(t, test.s, connection, good), connection.SessionID, "gate")
			claim.ClientVersion = []byte(test.version)
			reply, err := c.Assert(t.Context(), claim)
			if err != nil || !reply.Single {
				t.Fatalf("%v, single %t", err, reply.Single)
			}
			who := whoamiOf(t, c, test.q)
			if who.Kind != test.kind || who.Class != gate.ClassAttested || !strings.Contains(strings.Join(who.Evidence, "\n"), test.says) {
				t.Errorf("got %+v", who)
			}
			if said := fmt.Sprint(who); strings.Contains(said, "comm claude") || strings.Contains(said, "CLAUDECODE") {
				t.Errorf("an agent hears by what it is known: %s", said)
			}
		})
	}
}

// What policy takes back ends what is open.
func TestAnAttestorIsDropped(t *testing.T) {
	h, w := attested(t)
	for name, drop := range map[string]func(string) string{
		"the attestor": func(text string) string { return text[:strings.Index(text, "attestor")] },
		"the last who speaks for alice": func(text string) string {
			return strings.Replace(text[:strings.Index(text, "attestor")], fmt.Sprintf("%q", line(h.alice)), "", 1)
		},
		"its key":       func(text string) string { return strings.Replace(text, line(w.ca.PublicKey()), line(newKey(t)), 1) },
		"the uid":       func(text string) string { return strings.Replace(text, `"1000"`, `"1001"`, 1) },
		"its principal": func(text string) string { return strings.Replace(text, `"1000" = "alice"`, `"1000" = "bob"`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			c, connection := h.arrives(t)
			if _, err := c.Assert(t.Context(), claimOf(w.certificate(t, statement(), connection, good), connection.SessionID, "demo")); err != nil {
				t.Fatal(err)
			}
			whole := h.text
			h.text = drop(whole)
			if err := h.rules.reload(); err != nil {
				t.Fatal(err)
			}
			_, err := c.Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("id"), Alone: true})
			if _, refused := gate.AsRefusal(err); !refused {
				t.Errorf("the connection of a dropped attestor still opens: %v", err)
			}
			h.text = whole
			if err := h.rules.reload(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTheOverrideOpensWhatItNames(t *testing.T) {
	h, w := attested(t)
	s := statement()
	s.Verdict, s.Agent = provenance.ByAgent, "Claude Code"
	s.Override = &provenance.Override{Value: "demo", PID: 5, Start: 1, Protection: provenance.NoPtrace}
	opens := func(s provenance.Statement, user string, q client.OpenRequest) error {
		c, connection := h.arrives(t)
		if _, err := c.Assert(t.Context(), claimOf(w.certificate(t, s, connection, good), connection.SessionID, user)); err != nil {
			t.Fatal(err)
		}
		q.Op, q.Command = "exec", []byte("id")
		session, err := c.Open(t.Context(), q)
		if err == nil {
			session.Close()
		}
		return err
	}
	if err := opens(s, "demo", client.OpenRequest{Alone: true, Marks: say("CLAUDECODE=1")}); err != nil {
		t.Errorf("what it names is shut: %v", err)
	}
	if opens(s, "secret", client.OpenRequest{Alone: true}) == nil {
		t.Error("what it does not name is open")
	}
	if opens(s, "demo", client.OpenRequest{}) == nil {
		t.Error("on a connection that others can use it opens")
	}
	for _, why := range []provenance.Refusal{provenance.SetByAgent, provenance.Unprotected, provenance.Unseen, provenance.Malformed, provenance.Unnamed} {
		o := *s.Override
		o.Refused = why
		refused := s
		refused.Override = &o
		if opens(refused, "demo", client.OpenRequest{Alone: true}) == nil {
			t.Errorf("refused as %s it opens", why)
		}
	}
	weak := s
	weak.Protections = []provenance.Protection{provenance.NoPtrace}
	if opens(weak, "demo", client.OpenRequest{Alone: true}) == nil {
		t.Error("on a workstation with less than the minimum it opens")
	}
}

// A certificate of somebody else's is not worth a signature to the client, and its offer is in the record, but not as often as one likes.
func TestStrangersCertificates(t *testing.T) {
	h, w := attested(t)
	c, connection := h.arrives(t)
	foreign := w.certificate(t, statement(), connection, func(c *ssh.Certificate) { signedBy(t, c, keys.New(t)) })
	for range 200 {
		if known, err := c.Identify(t.Context(), client.IdentifyRequest{Key: foreign.Marshal()}); err != nil || known {
			t.Fatalf("known %t, %v", known, err)
		}
	}
	if n := len(h.log.all()); n < 100 || n > 150 {
		t.Errorf("%d of 200 offers are in the record", n)
	}
	ours := w.certificate(t, statement(), connection, good)
	if known, err := c.Identify(t.Context(), client.IdentifyRequest{Key: ours.Marshal()}); err != nil || !known {
		t.Errorf("one of ours: known %t, %v", known, err)
	}
}

// A principal with an attestor that comes without is told which line of ssh_config is in the way.
func TestWithoutTheCertificate(t *testing.T) {
	h, _ := attested(t)
	who := whoamiOf(t, h.connect(t, "gate", h.alice), client.VerbRequest{})
	if said := strings.Join(who.Evidence, "\n"); !strings.Contains(said, "IdentityAgent /run/forkgate/attest.sock") || !strings.Contains(said, "IdentitiesOnly") {
		t.Errorf("alice is told %q", said)
	}
	who = whoamiOf(t, h.connect(t, "gate", h.bob), client.VerbRequest{})
	if said := strings.Join(who.Evidence, "\n"); strings.Contains(said, "IdentityAgent") {
		t.Errorf("bob, who has none, is told %q", said)
	}
}
