package attestor

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/provenance"
	"forkgate/tests/keys"
)

// bindMessage is session-bind as ssh sends it.
func bindMessage(t testing.TB, host ssh.Signer, session, signed []byte, forwarded bool) []byte {
	t.Helper()
	signature, err := host.Sign(rand.Reader, signed)
	if err != nil {
		t.Fatal(err)
	}
	return ssh.Marshal(struct {
		Name                        string `sshtype:"27"`
		HostKey, Session, Signature []byte
		Forwarded                   bool
	}{bindExtension, host.PublicKey().Marshal(), session, ssh.Marshal(signature), forwarded})
}

func TestBindings(t *testing.T) {
	host, session := keys.New(t), []byte("a session id")
	name, contents, ok := extension(bindMessage(t, host, session, session, true))
	if !ok || name != bindExtension {
		t.Fatalf("got %q, %t", name, ok)
	}
	b, err := parseBinding(contents)
	if err != nil || !bytes.Equal(b.sessionID, session) || !b.forwarded || !bytes.Equal(b.hostKey.Marshal(), host.PublicKey().Marshal()) {
		t.Errorf("got %+v, %v", b, err)
	}
	_, unsigned, _ := extension(bindMessage(t, host, session, []byte("another"), false))
	_, empty, _ := extension(bindMessage(t, host, nil, nil, false))
	for name, contents := range map[string][]byte{
		"another session's signature": unsigned, "no session": empty, "nothing": nil, "cut": contents[:len(contents)-1], "longer": append(bytes.Clone(contents), 0),
	} {
		if b, err := parseBinding(contents); err == nil {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

// login is what a client asks to have signed.
type login struct {
	Session               []byte
	Type                  byte
	User, Service, Method string
	Signed                bool
	Algorithm             string
	Key                   []byte
}

func TestOnlyThisConnectionsLoginIsSigned(t *testing.T) {
	ca, host := keys.New(t), keys.New(t)
	s := provenance.Statement{Reasons: []string{"x"}, Chain: []provenance.Link{{PID: 1}}}
	signer, err := provenance.Mint(rand.Reader, ca, "alice", s, provenance.Connection{SessionID: []byte("session"), HostKey: host.PublicKey()}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key := signer.PublicKey()
	good := login{[]byte("session"), 50, "demo", "ssh-connection", "publickey", true, ssh.CertAlgoED25519v01, key.Marshal()}
	bound := func(hostKey []byte) []byte {
		l := good
		l.Method = "publickey-hostbound-v00@openssh.com"
		return append(ssh.Marshal(l), ssh.Marshal(struct{ Key []byte }{hostKey})...)
	}
	spoilt := func(change func(*login)) []byte {
		l := good
		change(&l)
		return ssh.Marshal(l)
	}
	for _, c := range []struct {
		name string
		data []byte
		ok   bool
	}{
		{"a login", ssh.Marshal(good), true},
		{"a login bound to the host", bound(host.PublicKey().Marshal()), true},
		{"bound to another host", bound(key.Marshal()), false},
		{"another session", spoilt(func(l *login) { l.Session = []byte("sessiom") }), false},
		{"another message", spoilt(func(l *login) { l.Type = 51 }), false},
		{"another service", spoilt(func(l *login) { l.Service = "ssh-userauth" }), false},
		{"another method", spoilt(func(l *login) { l.Method = "hostbased" }), false},
		{"a query", spoilt(func(l *login) { l.Signed = false }), false},
		{"another algorithm", spoilt(func(l *login) { l.Algorithm = "ssh-ed25519" }), false},
		{"another key", spoilt(func(l *login) { l.Key = host.PublicKey().Marshal() }), false},
		{"something behind it", append(ssh.Marshal(good), 0), false},
		{"an SSHSIG", []byte("SSHSIG\x00\x00\x00\x04file"), false},
		{"nothing", nil, false},
	} {
		a := &gateAgent{binding: binding{hostKey: host.PublicKey(), sessionID: []byte("session")}, signer: signer, log: func(string, error) {}}
		_, err := a.SignWithFlags(key, c.data, 0)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, again := a.SignWithFlags(key, ssh.Marshal(good), 0); c.ok != (again != nil) {
			t.Errorf("after %s: %v", c.name, again)
		}
	}
	none := &gateAgent{log: func(string, error) {}}
	if _, err := none.Sign(key, ssh.Marshal(good)); err == nil {
		t.Error("an agent without a certificate signs")
	}
	if keys, err := none.List(); len(keys) != 0 || err != nil {
		t.Errorf("an agent without a certificate lists %v, %v", keys, err)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	for name, b := range map[string]string{"empty": "\x00\x00\x00\x00", "too long": "\x00\x04\x00\x01" + strings.Repeat("x", 1<<18+1), "huge": "\xff\xff\xff\xff"} {
		if m, err := readMessage(strings.NewReader(b)); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %d bytes, %v", name, len(m), err)
		}
	}
	if _, err := readMessage(strings.NewReader("\x00\x00\x00\x02x")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %v", err)
	}
}

// FuzzMessage tries what any process may send.
func FuzzMessage(f *testing.F) {
	host := keys.New(f)
	f.Add(framed(bindMessage(f, host, []byte("s"), []byte("s"), false)), []byte("session"))
	f.Add(framed([]byte{11}), ssh.Marshal(login{[]byte("session"), 50, "demo", "ssh-connection", "publickey", true, ssh.CertAlgoED25519v01, nil}))
	f.Fuzz(func(t *testing.T, stream, data []byte) {
		message, err := readMessage(bytes.NewReader(stream))
		if err == nil {
			if name, contents, ok := extension(message); ok && name == bindExtension {
				if b, err := parseBinding(contents); err == nil && (len(b.sessionID) == 0 || b.hostKey == nil) {
					t.Fatalf("bound to nothing: %+v", b)
				}
			}
		}
		b := binding{hostKey: host.PublicKey(), sessionID: []byte("session")}
		if checkUserauth(data, b, []byte("key")) == nil && !bytes.HasPrefix(data, append(binary.BigEndian.AppendUint32(nil, 7), "session\x32"...)) {
			t.Fatalf("%q would be signed", data)
		}
		parseEvent(stream) // it must not panic
	})
}
