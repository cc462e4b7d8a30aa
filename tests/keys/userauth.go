package keys

import (
	"crypto/rand"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Userauth is what a key signs to come in as user on a connection, put together by hand and not by any package under test (RFC 4252,
// section 7).
func Userauth(t testing.TB, key ssh.Signer, session []byte, user string) []byte {
	t.Helper()
	data := append(ssh.Marshal(struct{ Session []byte }{session}), 50)
	data = append(data, ssh.Marshal(struct {
		User, Service, Method string
		True                  bool
		Algorithm             string
		Key                   []byte
	}{user, "ssh-connection", "publickey", true, key.PublicKey().Type(), key.PublicKey().Marshal()})...)
	s, err := key.Sign(rand.Reader, data)
	if err != nil {
		t.Fatal(err)
	}
	return ssh.Marshal(s)
}
