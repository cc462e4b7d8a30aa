package presence

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"forkgate/tests/keys"
)

var asked = []byte("a challenge of the operator's, some bytes")

func TestAttestation(t *testing.T) {
	maker := keys.NewMaker(t)
	for name, key := range map[string]*keys.SecurityKey{"ed25519": keys.NewSecurityKey(t), "ecdsa": keys.NewSecurityKeyECDSA(t)} {
		made, err := VerifyAttestation(key.PublicKey(), maker.Attest(keys.AuthData(key), asked), asked, maker.Roots(), time.Now())
		if err != nil || made.Model != hex.EncodeToString([]byte(keys.Model)) || !strings.Contains(made.By, "CN=keys") || !strings.Contains(made.Issuer, "CN=root") {
			t.Errorf("%s: %v, %+v", name, err, made)
		}
	}
	// The older form, of U2F, which only ECDSA keys have.
	key := keys.NewSecurityKeyECDSA(t)
	data, client := keys.AuthData(key), sha256.Sum256(asked)
	point, _, err := pointOf(key.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	u2f := sha256.Sum256(bytes.Join([][]byte{{0}, data[:32], client[:], []byte("handle"), point}, nil))
	if _, err := VerifyAttestation(key.PublicKey(), maker.AttestBy(u2f[:], data), asked, maker.Roots(), time.Now()); err != nil {
		t.Errorf("U2F: %v", err)
	}
}

// What a program can make up, or somebody can bring of another key, enrolls nothing.
func TestWhatIsNotAttested(t *testing.T) {
	key, maker := keys.NewSecurityKey(t), keys.NewMaker(t)
	of := func(change func([]byte) []byte) []byte { return change(keys.AuthData(key)) }
	good := of(func(d []byte) []byte { return d })
	model := func(aaguid string) *keys.Maker {
		return keys.NewMaker(t, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: aaguidExtension, Value: append([]byte{0x04, 0x10}, aaguid...)}}
		})
	}
	for _, test := range []struct {
		name  string
		maker *keys.Maker
		data  []byte
		says  string // empty: it is good
	}{
		{"good", maker, good, ""},
		{"extensions after the key", maker, of(func(d []byte) []byte { d[32] |= flagExtensions; return append(d, 0xa0) }), ""},
		{"something after the key", maker, of(func(d []byte) []byte { return append(d, 0xa0) }), "another key"},
		{"another key", maker, keys.AuthData(keys.NewSecurityKey(t)), "another key"},
		{"no touch", maker, of(func(d []byte) []byte { d[32] &^= flagPresent; return d }), "without a touch"},
		{"no key", maker, of(func(d []byte) []byte { d[32] &^= flagAttested; return d }), "attests no key"},
		{"another application", maker, of(func(d []byte) []byte { d[0] ^= 1; return d }), "another application"},
		{"a handle beyond the end", maker, of(func(d []byte) []byte { d[53] = 0xff; return d }), "too short"},
		{"short", maker, good[:40], "too short"},
		{"the right model", model(keys.Model), good, ""},
		{"another model", model("0123456789abcdeX"), good, "another model"},
		{"a CA's", keys.NewMaker(t, func(c *x509.Certificate) { c.IsCA = true }), good, "a CA's"},
		{"expired", keys.NewMaker(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), good, "none of the roots"},
	} {
		_, err := VerifyAttestation(key.PublicKey(), test.maker.Attest(test.data, asked), asked, test.maker.Roots(), time.Now())
		switch {
		case test.says == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.says != "" && (!errors.Is(err, ErrAttestation) || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%s: %v", test.name, err)
		}
	}
	file := maker.Attest(good, asked)
	for name, attempt := range map[string]struct {
		file, challenge []byte
		roots           *x509.CertPool
	}{
		"another maker":     {file, asked, keys.NewMaker(t).Roots()},
		"an empty pool":     {file, asked, x509.NewCertPool()},
		"no roots":          {file, asked, nil},
		"another challenge": {file, []byte("another one"), maker.Roots()},
		"nothing":           {nil, asked, maker.Roots()},
		"half":              {file[:len(file)/2], asked, maker.Roots()},
		"more":              {append(bytes.Clone(file), 0), asked, maker.Roots()},
		"of itself":         {keys.NewMaker(t).Attest(good, asked), asked, maker.Roots()},
	} {
		if made, err := VerifyAttestation(key.PublicKey(), attempt.file, attempt.challenge, attempt.roots, time.Now()); !errors.Is(err, ErrAttestation) || made != (Made{}) {
			t.Errorf("%s: %v, %+v", name, err, made)
		}
	}
	if _, err := VerifyAttestation(keys.New(t).PublicKey(), file, asked, maker.Roots(), time.Now()); !errors.Is(err, ErrNoSecurityKey) {
		t.Errorf("a key that is none: %v", err)
	}
}

func FuzzVerifyAttestation(f *testing.F) {
	maker, key := keys.NewMaker(f), keys.NewSecurityKey(f)
	good := maker.Attest(keys.AuthData(key), asked)
	f.Add(good)
	f.Add(keys.NewMaker(f).Attest(keys.AuthData(key), asked))
	f.Fuzz(func(t *testing.T, file []byte) {
		made, err := VerifyAttestation(key.PublicKey(), file, asked, maker.Roots(), time.Now())
		if (err == nil) != (made.By != "") {
			t.Errorf("%v, %+v", err, made)
		}
	})
}
