package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"math/big"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Flags of a security key's signature.
const (
	Touched  = 0x01
	Verified = 0x04
)

// Application is what the security keys of tests are for, ssh-keygen's default.
const Application = "ssh:"

// SecurityKey is an sk- key in software: it claims whatever Flags say, which is what hardware would not do.
type SecurityKey struct {
	Flags  byte
	public ssh.PublicKey
	sign   func(message []byte) (blob []byte)
	cose   []byte
}

// NewSecurityKey makes a touched one of type sk-ssh-ed25519@openssh.com.
func NewSecurityKey(t testing.TB) *SecurityKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wire := ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, Application})
	cose := append([]byte{0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20}, public...)
	return &SecurityKey{Touched, parse(t, wire), func(m []byte) []byte { return ed25519.Sign(private, m) }, cose}
}

// NewSecurityKeyECDSA makes a touched one of type sk-ecdsa-sha2-nistp256@openssh.com.
func NewSecurityKeyECDSA(t testing.TB) *SecurityKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	wire := ssh.Marshal(struct {
		Type, Curve string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKECDSA256, "nistp256", point, Application})
	cose := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, point[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 0x20), point[33:]...)
	return &SecurityKey{Touched, parse(t, wire), func(m []byte) []byte {
		digest := sha256.Sum256(m)
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			panic(err)
		}
		return ssh.Marshal(struct{ R, S *big.Int }{r, s})
	}, cose}
}

func parse(t testing.TB, wire []byte) ssh.PublicKey {
	t.Helper()
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// COSE is the public key as an authenticator writes it (RFC 9053 section 7, CTAP2 canonical CBOR).
func (k *SecurityKey) COSE() []byte { return k.cose }

// PublicKey and Sign make it an ssh.Signer (OpenSSH PROTOCOL.u2f, SSH U2F Signatures).
func (k *SecurityKey) PublicKey() ssh.PublicKey { return k.public }

func (k *SecurityKey) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	const counter = "\x00\x00\x00\x07"
	application, message := sha256.Sum256([]byte(Application)), sha256.Sum256(data)
	rest := append([]byte{k.Flags}, counter...)
	signed := append(append(application[:], rest...), message[:]...)
	return &ssh.Signature{Format: k.public.Type(), Blob: k.sign(signed), Rest: rest}, nil
}
