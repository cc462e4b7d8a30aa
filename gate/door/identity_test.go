package door_test

import (
	"net"
	"testing"

	gliderlabs "github.com/gliderlabs/ssh"
	"golang.org/x/crypto/ssh"

	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
)

// A client that first tries another account must come in as the one that it proved. The user name selects the repository.
func TestTwoAccounts(t *testing.T) {
	t.Parallel()
	p := open(t)
	mallory := p.key
	alice := p.newKey("alice")
	p.warden.Know(alice.PublicKey())

	r := dialRaw(t, p.addr)
	if r.prove("alice", p.newKey("stranger"), alice) {
		t.Fatal("an unknown key passes")
	}
	r = dialRaw(t, p.addr)
	if !r.offer("alice", mallory.PublicKey()) {
		t.Fatal("a known key is not worth a signature")
	}
	if !r.prove("mallory", mallory, mallory) {
		t.Fatal("a known key does not pass")
	}
	r.exec("true")
	p.onlyAsserted("mallory", mallory.PublicKey())
}

// A key that was offered but never signed is nobody's.
func TestUnprovenKey(t *testing.T) {
	t.Parallel()
	p := open(t)
	alice := p.newKey("alice")
	p.warden.Know(alice.PublicKey())

	r := dialRaw(t, p.addr)
	if !r.offer("demo", alice.PublicKey()) {
		t.Fatal("alice's key is not known: the test offers nothing")
	}
	if !r.prove("demo", p.key, p.key) {
		t.Fatal("a known key does not pass")
	}
	r.exec("true")
	p.onlyAsserted("demo", p.key.PublicKey())
}

// The key last offered is not the one that signed either.
func TestKeyOfAnotherSignature(t *testing.T) {
	t.Parallel()
	p := open(t)
	alice := p.newKey("alice")
	p.warden.Know(alice.PublicKey())
	if r := dialRaw(t, p.addr); r.prove("demo", alice, p.key) {
		t.Fatal("alice's key passes with another key's signature")
	}
	if r := dialRaw(t, p.addr); !r.prove("demo", alice, alice) {
		t.Fatal("alice's key does not pass with its own signature: the test shows nothing")
	}
}

func (p *place) onlyAsserted(user string, key ssh.PublicKey) {
	p.t.Helper()
	seen := p.warden.Seen().Asserted
	if len(seen) != 1 {
		p.t.Fatalf("%d identities were asserted", len(seen))
	}
	if string(seen[0].User) != user || string(seen[0].Key) != string(key.Marshal()) {
		p.t.Fatalf("asserted user %q with another key or name than what was proved, %q", seen[0].User, user)
	}
	if len(seen[0].SessionID) == 0 || !seen[0].Source.IsValid() || string(seen[0].ClientVersion) != "SSH-2.0-raw" {
		p.t.Fatalf("incomplete evidence: %+v", seen[0])
	}
}

// The control for the two tests above: the library that the door uses shows its handlers the first account that was tried, and
// the key that was offered last. This is why nothing is read from there. When it fails, the library has been mended.
func TestLibraryShowsUnprovenIdentity(t *testing.T) {
	t.Parallel()
	p := open(t)
	var shown string
	s := &gliderlabs.Server{
		Handler:          func(s gliderlabs.Session) { shown = s.Context().User(); s.Exit(3) },
		PublicKeyHandler: func(gliderlabs.Context, gliderlabs.PublicKey) bool { return true },
	}
	s.AddHostKey(p.key)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	go s.Serve(l)
	r := dialRaw(t, l.Addr().String())
	r.offer("alice", p.newKey("alice").PublicKey())
	if !r.prove("mallory", p.key, p.key) || r.exec("x") != 3 {
		t.Fatal("mallory does not get in")
	}
	if shown != "alice" {
		t.Fatalf("the library shows %q, not the account that was tried first", shown)
	}
}

// Nobody comes in without a signature, whatever the library does to the configuration.
func TestNoKeyNoEntry(t *testing.T) {
	t.Parallel()
	p := open(t)
	for name, auth := range map[string][]ssh.AuthMethod{
		"none":     nil,
		"password": {ssh.Password("x")},
		"keyboard": {ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil })},
		"unknown":  {ssh.PublicKeys(p.newKey("unknown"))},
	} {
		c, err := ssh.Dial("tcp", p.addr, &ssh.ClientConfig{
			User: "demo", Auth: auth, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
		if err == nil {
			c.Close()
			t.Errorf("%s: let in", name)
		}
	}
	if n := len(p.warden.Seen().Asserted); n != 0 {
		t.Errorf("%d identities were asserted", n)
	}
	p.dial("demo") // the control: the right key does
}

// A host key that is not the warden's is never offered, and weak algorithms are not spoken.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	p := open(t, func(*doortest.Warden, *door.Config) {})
	weak := map[string]ssh.ClientConfig{
		"host key":     {HostKeyAlgorithms: []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}},
		"key exchange": {Config: ssh.Config{KeyExchanges: []string{ssh.InsecureKeyExchangeDH14SHA1, ssh.KeyExchangeDH14SHA256}}},
		"cipher":       {Config: ssh.Config{Ciphers: []string{ssh.InsecureCipherAES128CBC}}},
		"mac": {Config: ssh.Config{
			Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.HMACSHA1, ssh.InsecureHMACSHA196},
		}},
	}
	for name, config := range weak {
		config.User, config.HostKeyCallback = "demo", ssh.InsecureIgnoreHostKey()
		config.Auth = []ssh.AuthMethod{ssh.PublicKeys(p.key)}
		if c, err := ssh.Dial("tcp", p.addr, &config); err == nil {
			c.Close()
			t.Errorf("%s: agreed on a weak one", name)
		}
	}
	for _, mac := range []string{ssh.HMACSHA256ETM, ssh.HMACSHA256} {
		strong := ssh.ClientConfig{
			User: "demo", Auth: []ssh.AuthMethod{ssh.PublicKeys(p.key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
			Config: ssh.Config{Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{mac}},
		}
		c, err := ssh.Dial("tcp", p.addr, &strong)
		if err != nil {
			t.Fatalf("%s: %v", mac, err)
		}
		c.Close()
	}
}
