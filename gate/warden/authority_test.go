package warden

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/tests/keys"
)

// certified is a host whose policy has an authority for alice, who is vouched, and bob; what has that authority sign; and what makes it
// two hours later.
func certified(t *testing.T) (h *host, ca ssh.Signer, late *atomic.Bool) {
	t.Helper()
	h, ca, late = newHost(t), keys.New(t), &atomic.Bool{}
	h.now = func() time.Time {
		if late.Load() {
			return time.Now().Add(2 * time.Hour)
		}
		return time.Now()
	}
	h.text += fmt.Sprintf("authority \"corp\" {\n  key = %q\n  principals = { \"alice@corp\" = \"alice\", \"al\" = \"alice\", \"bob@corp\" = \"bob\" }\n}\n", line(ca.PublicKey()))
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	return h, ca, late
}

// userCert is what ssh-keygen -s makes, with the extensions that it gives where nobody says otherwise.
func userCert(t *testing.T, by ssh.Signer, names ...string) *ssh.Certificate {
	t.Helper()
	now := uint64(time.Now().Unix())
	cert := &ssh.Certificate{
		Key: newKey(t), CertType: ssh.UserCert, ValidPrincipals: names, ValidAfter: now - 60, ValidBefore: now + 3600,
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{}, Extensions: map[string]string{
			"permit-X11-forwarding": "", "permit-agent-forwarding": "", "permit-port-forwarding": "", "permit-pty": "", "permit-user-rc": "",
		}},
	}
	signedBy(t, cert, by)
	return cert
}

func TestAuthorities(t *testing.T) {
	h, ca, _ := certified(t)
	spoilt := func(spoil func(*ssh.Certificate)) *ssh.Certificate {
		cert := userCert(t, ca, "alice@corp")
		spoil(cert)
		signedBy(t, cert, ca)
		return cert
	}
	option := func(name, value string) *ssh.Certificate {
		return spoilt(func(c *ssh.Certificate) { c.CriticalOptions[name] = value })
	}
	now := uint64(time.Now().Unix())
	tampered := userCert(t, ca, "alice@corp")
	tampered.ValidPrincipals = []string{"bob@corp"}
	for _, test := range []struct {
		name      string
		cert      *ssh.Certificate
		principal string // empty: refused
		why       string
	}{
		{"good", userCert(t, ca, "alice@corp"), "alice", ""},
		{"another principal's", userCert(t, ca, "bob@corp"), "bob", ""},
		{"two names of one", userCert(t, ca, "elsewhere", "al", "alice@corp"), "alice", ""},
		{"from here", option("source-address", "203.0.113.0/24,192.0.2.1"), "alice", ""},
		{"of two", userCert(t, ca, "alice@corp", "bob@corp"), "", "it is both alice's and bob's"},
		{"of nobody's name", userCert(t, ca), "", "knows none of its names"},
		{"of another name", userCert(t, ca, "root"), "", "knows none of its names"},
		{"by another authority", userCert(t, keys.New(t), "alice@corp"), "", "its key is SHA256:"},
		{"a host's", spoilt(func(c *ssh.Certificate) { c.CertType = ssh.HostCert }), "", "it is no user's"},
		{"expired", spoilt(func(c *ssh.Certificate) { c.ValidBefore = now - 1 }), "", "expired"},
		{"not yet", spoilt(func(c *ssh.Certificate) { c.ValidAfter = now + 600 }), "", "not yet valid"},
		{"tampered", tampered, "", "signature"},
		{"a forced command", option("force-command", "id"), "", "force-command"},
		{"from elsewhere", option("source-address", "203.0.113.0/24"), "", "it counts from"},
		{"from nowhere", option("source-address", ""), "", "malformed"},
		{"without a touch", spoilt(func(c *ssh.Certificate) { c.Extensions["no-touch-required"] = "" }), "", "no-touch-required"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, connection := h.arrives(t)
			claim := claimOf(test.cert, connection.SessionID, "gate")
			claim.Source = netip.MustParseAddrPort("192.0.2.1:50000")
			_, err := c.Assert(t.Context(), claim)
			if test.principal == "" {
				h.refusedWith(t, err, test.why)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			who := whoamiOf(t, c, client.VerbRequest{Alone: true})
			if who.Principal != test.principal || who.Kind != gate.Agent || who.Class != gate.ClassKey || !strings.Contains(strings.Join(who.Evidence, "\n"), "nothing of who holds it") {
				t.Errorf("it makes %+v", who)
			}
		})
	}
}

// A connection outlives what let it in, and is nobody's from then on: the authority, the key, the principal, the certificate's own time.
func TestAuthoritiesEnd(t *testing.T) {
	for name, end := range map[string]func(h *host, cert *ssh.Certificate){
		"its time is over":         func(*host, *ssh.Certificate) {},
		"the authority is dropped": func(h *host, _ *ssh.Certificate) { h.text = h.text[:strings.Index(h.text, "authority")] },
		"the key is revoked": func(h *host, cert *ssh.Certificate) {
			h.text = strings.Replace(h.text, "  principals = { \"alice@corp\"", fmt.Sprintf("  revoked = [%q]\n  principals = { \"alice@corp\"", ssh.FingerprintSHA256(cert.Key)), 1)
		},
		"the name is another's": func(h *host, _ *ssh.Certificate) {
			h.text = strings.Replace(h.text, `"alice@corp" = "alice"`, `"alice@corp" = "bob"`, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, ca, late := certified(t)
			cert := userCert(t, ca, "alice@corp")
			c, connection := h.arrives(t)
			if _, err := c.Assert(t.Context(), claimOf(cert, connection.SessionID, "demo+hers")); err != nil {
				t.Fatal(err)
			}
			s, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"})
			if err != nil {
				t.Fatalf("before: %v", err)
			}
			s.Close()
			end(h, cert)
			late.Store(name == "its time is over")
			if err := h.rules.reload(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"}); err == nil || err.Error() != "the certificate is not accepted any more" {
				t.Errorf("after: %v", err)
			}
		})
	}
}
