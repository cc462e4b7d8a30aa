package warden

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

func TestHostKeysAreMadeOnceAndAreRootsAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hostkeys")
	var fingerprints [4]string
	var all sync.WaitGroup
	for i := range fingerprints { // at once: of those that race, all use the same keys
		all.Go(func() {
			keys, err := LoadHostKeys(dir)
			if err != nil {
				t.Error(err)
				return
			}
			for _, k := range keys {
				fingerprints[i] += k.PublicKey().Type() + ssh.FingerprintSHA256(k.PublicKey())
			}
		})
	}
	all.Wait()
	for _, f := range fingerprints {
		if f != fingerprints[0] || !strings.Contains(f, "ssh-ed25519") || !strings.Contains(f, "ecdsa-sha2-nistp256") {
			t.Errorf("host keys are %q", fingerprints)
		}
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, _ := e.Info()
		if public := strings.HasSuffix(e.Name(), ".pub"); !public && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	if len(entries) != 4 {
		t.Errorf("there are %v", entries)
	}
}

func TestAHostKeyThatOthersCanReadIsNotUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hostkeys")
	if _, err := LoadHostKeys(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "ssh_host_ed25519_key")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadHostKeys(dir); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
		t.Errorf("it says %v", err)
	}
}

func TestSignaturesVerify(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c := dial(t, h.door)
	has, err := c.HostKeys(t.Context())
	keys := has.Keys
	if err != nil || len(keys) != 2 {
		t.Fatal(keys, err)
	}
	for _, k := range keys {
		public, err := ssh.ParsePublicKey(k)
		if err != nil {
			t.Fatal(err)
		}
		hash := bytes.Repeat([]byte{7}, 32)
		s, err := c.Sign(t.Context(), client.SignRequest{Key: k, Data: hash, Algorithm: public.Type()})
		if err != nil {
			t.Fatal(err)
		}
		if err := public.Verify(hash, &ssh.Signature{Format: s.Format, Blob: s.Blob}); err != nil {
			t.Errorf("%s: %v", public.Type(), err)
		}
	}
}

// The door is not to get signatures over anything but exchange hashes, or with keys that are not the host's.
func TestNothingElseIsSigned(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c := dial(t, h.door)
	has, err := c.HostKeys(t.Context())
	keys := has.Keys
	if err != nil {
		t.Fatal(err)
	}
	hash := make([]byte, 32)
	for name, q := range map[string]client.SignRequest{
		"an SSHSIG":         {Key: keys[0], Data: append([]byte("SSHSIG"), make([]byte, 100)...)},
		"one for git":       {Key: keys[0], Data: toSign("git")},
		"one for a file":    {Key: keys[0], Data: toSign("file")},
		"a 20 bytes' hash":  {Key: keys[0], Data: hash[:20]},
		"nothing":           {Key: keys[0]},
		"19 bytes":          {Key: keys[0], Data: hash[:19]},
		"65 bytes":          {Key: keys[0], Data: make([]byte, 65)},
		"another key":       {Key: h.alice.Marshal(), Data: hash},
		"no key":            {Data: hash},
		"another algorithm": {Key: keys[0], Data: hash, Algorithm: "ssh-rsa"},
	} {
		if _, err := c.Sign(t.Context(), q); err == nil {
			t.Errorf("%s is signed", name)
		}
	}
}

// toSign is what an SSHSIG signs, by the shortest hash that it has: as long as an exchange hash, or nearly (OpenSSH's PROTOCOL.sshsig).
func toSign(namespace string) []byte {
	return append([]byte("SSHSIG"), ssh.Marshal(struct {
		Namespace, Reserved, Algorithm string
		Hash                           []byte
	}{namespace, "", "sha256", make([]byte, 32)})...)
}

// A taken gate cannot assert an identity on a connection whose handshake this warden did not sign.
func TestAnIdentityNeedsASessionIDSignedHere(t *testing.T) {
	h := newHost(t)
	now := time.Now()
	var mu sync.Mutex
	h.now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	h.start(t)
	claim := func(id []byte) client.AssertRequest {
		return client.AssertRequest{User: []byte("demo"), Key: h.alice.Marshal(), SessionID: id}
	}
	c, honest, other := dial(t, h.door), dial(t, h.door), dial(t, h.door)
	hash, elsewhere := signHash(t, honest), signHash(t, other)
	_ = signHash(t, c)
	for name, id := range map[string][]byte{
		"none": nil, "made up": bytes.Repeat([]byte{1}, 32), "another connection's": elsewhere, "a part": hash[:31],
	} {
		if _, ok := gate.AsRefusal(asserted(c.Assert(t.Context(), claim(id)))); !ok {
			t.Errorf("session id %s is believed", name)
		}
		if _, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"}); !errors.Is(err, client.ErrGone) {
			t.Errorf("session id %s: open says %v", name, err)
		}
		c = dial(t, h.door)
	}
	if _, err := honest.Assert(t.Context(), claim(hash)); err != nil {
		t.Errorf("control: the session id that was signed: %v", err)
	}
	mu.Lock()
	now = now.Add(signedFor + time.Second)
	mu.Unlock()
	if _, ok := gate.AsRefusal(asserted(other.Assert(t.Context(), claim(elsewhere)))); !ok {
		t.Error("a session id of more than a minute ago is believed")
	}
}

func TestAnUnknownKeyIsAssertedInVain(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c, key := dial(t, h.door), newKey(t)
	if known, err := c.Identify(t.Context(), client.IdentifyRequest{Key: key.Marshal()}); err != nil || known {
		t.Errorf("known is %v, %v", known, err)
	}
	if known, err := c.Identify(t.Context(), client.IdentifyRequest{Key: h.alice.Marshal()}); err != nil || !known {
		t.Errorf("control: known is %v, %v", known, err)
	}
	_, err := c.Assert(t.Context(), client.AssertRequest{User: []byte("demo"), Key: key.Marshal(), SessionID: signHash(t, c)})
	refused(t, err, "no principal has the key "+ssh.FingerprintSHA256(key))
}
