package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Maker is a maker of security keys, with a root certificate that stands for them.
type Maker struct {
	Root *x509.Certificate
	t    testing.TB
	ca   *ecdsa.PrivateKey
	Leaf *x509.Certificate // of the keys' attestations
	Key  *ecdsa.PrivateKey // and its key
}

// NewMaker makes one. spoil may change the certificate of its keys before that is signed.
func NewMaker(t testing.TB, spoil ...func(*x509.Certificate)) *Maker {
	t.Helper()
	m := &Maker{t: t, ca: p256(t), Key: p256(t)}
	name := pkix.Name{Organization: []string{"Maker"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "root"}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: name, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	m.Root = m.certify(root, root, &m.ca.PublicKey)
	name.CommonName = "keys"
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: name, BasicConstraintsValid: true, NotBefore: root.NotBefore, NotAfter: root.NotAfter}
	for _, s := range spoil {
		s(leaf)
	}
	m.Leaf = m.certify(leaf, m.Root, &m.Key.PublicKey)
	return m
}

func p256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (m *Maker) certify(cert, by *x509.Certificate, key *ecdsa.PublicKey) *x509.Certificate {
	m.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, by, key, m.ca)
	if err != nil {
		m.t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		m.t.Fatal(err)
	}
	return parsed
}

// Roots is the maker's root certificate, and PEM is the same as a file.
func (m *Maker) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(m.Root)
	return pool
}

func (m *Maker) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Root.Raw})
}

// Model is the AAGUID of the maker's keys.
const Model = "0123456789abcdef"

// AuthData is what the maker says of a key (WebAuthn level 2 section 6.1).
func AuthData(k *SecurityKey) []byte {
	id := sha256.Sum256([]byte(Application))
	data := append(id[:], 0x41, 0, 0, 0, 1) // touched, a key follows
	data = append(data, Model...)
	data = append(data, 0, 6)
	data = append(data, "handle"...)
	return append(data, k.COSE()...)
}

// Attest is the file that ssh-keygen -O write-attestation writes, of a key whose making the maker tells of by data.
func (m *Maker) Attest(data, challenge []byte) []byte {
	m.t.Helper()
	client := sha256.Sum256(challenge)
	digest := sha256.Sum256(append(append([]byte{}, data...), client[:]...))
	return m.AttestBy(digest[:], data)
}

// AttestBy signs another digest than that.
func (m *Maker) AttestBy(digest, data []byte) []byte {
	m.t.Helper()
	signature, err := ecdsa.SignASN1(rand.Reader, m.Key, digest)
	if err != nil {
		m.t.Fatal(err)
	}
	return ssh.Marshal(struct {
		Magic              string
		Certificate        []byte
		Signature, Wrapped []byte
		Flags              uint32
		Reserved           string
	}{"ssh-sk-attest-v01", m.Leaf.Raw, signature, append([]byte{0x58, byte(len(data))}, data...), 0, ""})
}
