package door_test

import (
	"bytes"
	"crypto/rand"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/warden/client"
	"forkgate/tests/need"
)

// certify makes a certificate for p's key, by a key of its own, and puts it beside the key.
func (p *place) certify() *ssh.Certificate {
	p.t.Helper()
	cert := &ssh.Certificate{
		Key: p.key.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"alice"},
		ValidAfter: uint64(time.Now().Add(-time.Minute).Unix()), ValidBefore: uint64(time.Now().Add(time.Minute).Unix()),
	}
	if err := cert.SignCert(rand.Reader, p.newKey("ca")); err != nil {
		p.t.Fatal(err)
	}
	write(p.t, filepath.Join(p.dir, "key-cert.pub"), string(ssh.MarshalAuthorizedKey(cert)))
	return cert
}

// The warden gets the whole certificate, with the connection that its key has signed, before anybody counts as authenticated.
func TestACertificateIsJudgedAtOnce(t *testing.T) {
	need.Tools(t, "ssh")
	var refuse atomic.Bool
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Refuse = func(client.AssertRequest) error {
			if refuse.Load() {
				return &gate.Refusal{Reason: "the true reason", Hint: "the true hint"}
			}
			return nil
		}
	})
	cert := p.certify()
	p.warden.Know(cert)
	certificateOnly := []string{"-l", "demo", "-o", "PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com", "host"}
	got := run(t, p.ssh("ssh", append(certificateOnly, "echo in")...), "")
	seen := p.warden.Seen().Asserted
	if got.Stdout != "in\n" || len(seen) != 1 || !bytes.Equal(seen[0].Key, cert.Marshal()) || len(seen[0].SessionID) == 0 || string(seen[0].User) != "demo" {
		t.Fatalf("%+v; asserted %+v", got, seen)
	}
	// Refused, the client is told nothing, is nobody, and has no connection, by -N either.
	refuse.Store(true)
	opened := len(p.warden.Seen().Opened)
	for _, args := range [][]string{append(certificateOnly, "echo in"), append([]string{"-N"}, certificateOnly...)} {
		if got := run(t, p.ssh("ssh", args...), ""); got.Code != 255 || strings.Contains(got.Stderr, "true") || !strings.Contains(got.Stderr, "Permission denied (publickey)") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if len(p.warden.Seen().Opened) != opened {
		t.Error("a session was opened by who was refused")
	}
}

// liar shows a certificate and signs with another key.
type liar struct {
	ssh.Signer
	shows ssh.PublicKey
}

func (l liar) PublicKey() ssh.PublicKey { return l.shows }

// Nobody speaks by a certificate who does not have its key.
func TestAStolenCertificate(t *testing.T) {
	t.Parallel()
	p := open(t)
	cert := p.certify()
	p.warden.Know(cert)
	if _, err := p.tryDial("demo", liar{p.newKey("other"), cert}); err == nil {
		t.Error("let in")
	}
	if asserted := p.warden.Seen().Asserted; len(asserted) != 0 {
		t.Errorf("asserted %+v", asserted)
	}
	// The control: with its key it is let in.
	if _, err := p.tryDial("demo", liar{p.key, cert}); err != nil {
		t.Errorf("the key's owner: %v", err)
	}
}
