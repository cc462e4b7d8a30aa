package warden

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// Keys follow those that there are, and take their places; those of files as well.
func TestHostKeysFollow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hostkeys")
	if _, err := LoadHostKeys(dir); err != nil {
		t.Fatal(err)
	}
	if err := RetireHostKeys(dir); err == nil || !strings.Contains(err.Error(), "forkgate hostkey add") {
		t.Errorf("without keys that follow: %v", err)
	}
	if next, err := LoadNextKeys(dir); err != nil || len(next) != 0 {
		t.Errorf("there are %d, %v", len(next), err)
	}
	if err := AddHostKeys(dir); err != nil {
		t.Fatal(err)
	}
	if err := AddHostKeys(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("they are added twice: %v", err)
	}
	all, err := ListHostKeys(dir)
	if err != nil || len(all) != 4 || all[1].File != "ssh_host_ed25519_key.next" || all[0].Fingerprint == all[1].Fingerprint {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := RetireHostKeys(dir); err != nil {
		t.Fatal(err)
	}
	keys, err := LoadHostKeys(dir)
	if err != nil || ssh.FingerprintSHA256(keys[0].PublicKey()) != all[1].Fingerprint {
		t.Errorf("the new key is not in its place: %v", err)
	}
	public, err := os.ReadFile(filepath.Join(dir, "ssh_host_ed25519_key.pub"))
	if err != nil || string(public) != string(ssh.MarshalAuthorizedKey(keys[0].PublicKey())) {
		t.Errorf("the public half is %s, %v", public, err)
	}
	if left, _ := filepath.Glob(dir + "/*.next*"); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
	if old, err := LoadRetiredKeys(dir); err != nil || len(old) != 2 || ssh.FingerprintSHA256(old[0].PublicKey()) != all[0].Fingerprint {
		t.Errorf("those that were there: %v, %v", old, err)
	}
	if err := AddHostKeys(dir, filepath.Join(dir, "ssh_host_ed25519_key")); err == nil {
		t.Error("the key that there is is to follow itself")
	}
	other := filepath.Join(t.TempDir(), "hostkeys")
	theirs, err := LoadHostKeys(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := AddHostKeys(dir, filepath.Join(other, "ssh_host_ed25519_key")); err != nil {
		t.Fatal(err)
	}
	if next, err := LoadNextKeys(dir); err != nil || len(next) != 1 || ssh.FingerprintSHA256(next[0].PublicKey()) != ssh.FingerprintSHA256(theirs[0].PublicKey()) {
		t.Errorf("the key of a file: %v, %v", next, err)
	}
	if err := AddHostKeys(dir, filepath.Join(other, "ssh_host_ed25519_key.pub")); err == nil {
		t.Error("a public half is taken")
	}
}

// A key whose place another one has taken signs for connections that know it, and is shown to none.
func TestRetiredKeysSign(t *testing.T) {
	h := newHost(t)
	old, err := LoadHostKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h.retiredKeys = old
	h.start(t)
	c := dial(t, h.door)
	has, err := c.HostKeys(t.Context())
	if err != nil || len(has.Keys) != 2 || len(has.Next) != 0 || bytes.Equal(has.Keys[0], old[0].PublicKey().Marshal()) {
		t.Fatalf("%+v, %v", has, err)
	}
	hash := make([]byte, 32)
	reply, err := c.Sign(t.Context(), client.SignRequest{Key: old[0].PublicKey().Marshal(), Data: hash})
	if err != nil || old[0].PublicKey().Verify(hash, &ssh.Signature{Format: reply.Format, Blob: reply.Blob}) != nil {
		t.Errorf("its signature: %v", err)
	}
	if _, err := c.Prove(t.Context(), client.ProveRequest{Key: old[0].PublicKey().Marshal(), SessionID: hash}); err == nil {
		t.Error("it is proved to a client")
	}
}

// The warden signs that it has a key for a session whose handshake it has signed, by keys that it has, and nothing else; a door of the first version hears
// of no key to come.
func TestProve(t *testing.T) {
	h := newHost(t)
	other := filepath.Join(t.TempDir(), "hostkeys")
	if _, err := LoadHostKeys(other); err != nil {
		t.Fatal(err)
	}
	if err := AddHostKeys(other); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.nextKeys, err = LoadNextKeys(other); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	c := dial(t, h.door)
	has, err := c.HostKeys(t.Context())
	if err != nil || len(has.Next) != 2 {
		t.Fatalf("%+v, %v", has, err)
	}
	hash := make([]byte, 32)
	_, _ = rand.Read(hash)
	if _, err := c.Sign(t.Context(), client.SignRequest{Key: has.Keys[0], Data: hash}); err != nil {
		t.Fatal(err)
	}
	if err := asserted(c.Assert(t.Context(), client.AssertRequest{User: []byte("demo"), Key: h.alice.Marshal(), SessionID: hash})); err != nil {
		t.Fatal(err)
	}
	for _, key := range append(has.Keys, has.Next...) {
		reply, err := c.Prove(t.Context(), client.ProveRequest{Key: key, SessionID: hash})
		if err != nil {
			t.Fatal(err)
		}
		public, _ := ssh.ParsePublicKey(key)
		signed := ssh.Marshal(proof{"hostkeys-prove-00@openssh.com", hash, key})
		if err := public.Verify(signed, &ssh.Signature{Format: reply.Format, Blob: reply.Blob}); err != nil {
			t.Errorf("%s: %v", public.Type(), err)
		}
	}
	for what, q := range map[string]client.ProveRequest{
		"another session": {Key: has.Keys[0], SessionID: make([]byte, 32)}, "no session": {Key: has.Keys[0]}, "another key": {Key: h.alice.Marshal(), SessionID: hash},
	} {
		if _, err := c.Prove(t.Context(), q); err == nil {
			t.Errorf("%s is proved", what)
		}
	}
	conn, err := wire.Dial(h.door)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Send(1, client.TypeHostKeys, struct{}{}); err != nil { // as a door of the first version does
		t.Fatal(err)
	}
	m, _, err := conn.Receive()
	var first struct {
		Keys [][]byte `json:"keys"`
	}
	if err != nil || m.Decode(&first) != nil || len(first.Keys) != 2 {
		t.Errorf("a door of the first version hears %s, %v", m.Body, err)
	}
}
