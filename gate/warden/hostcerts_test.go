package warden

import (
	"crypto/rand"
	"crypto/rsa"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/tests/keys"
)

// What clients see of a key is a certificate of that key and of a host, that is valid now.
func TestHostCertificates(t *testing.T) {
	dir := t.TempDir()
	host, err := LoadHostKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	authority := keys.New(t)
	now := time.Unix(1_800_000_000, 0)
	write := func(change func(*ssh.Certificate)) string {
		t.Helper()
		cert := &ssh.Certificate{Key: host[0].PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"gate"}, ValidAfter: uint64(now.Unix()) - 1, ValidBefore: uint64(now.Unix()) + 1}
		change(cert)
		if err := cert.SignCert(rand.Reader, authority); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "cert")
		if err := os.WriteFile(file, ssh.MarshalAuthorizedKey(cert), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for why, change := range map[string]func(*ssh.Certificate){
		"no certificate of a host": func(c *ssh.Certificate) { c.CertType = ssh.UserCert },
		"of another key":           func(c *ssh.Certificate) { c.Key = authority.PublicKey() },
		"critical options":         func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"x": ""} },
		"not valid now":            func(c *ssh.Certificate) { c.ValidBefore = uint64(now.Unix()) },
	} {
		if err := TakeHostCertificate(dir, write(change), now); err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "\n") {
			t.Errorf("one that is %s: %v", why, err)
		}
	}
	if err := TakeHostCertificate(t.TempDir(), write(func(*ssh.Certificate) {}), now); err == nil || !strings.Contains(err.Error(), "has no keys in") {
		t.Errorf("on a host without keys: %v", err)
	}
	if certs, err := LoadHostCertificates(dir, host); len(certs) > 0 || err != nil {
		t.Fatalf("%d certificates, %v", len(certs), err)
	}
	if err := TakeHostCertificate(dir, write(func(*ssh.Certificate) {}), now); err != nil {
		t.Fatal(err)
	}
	certs, err := LoadHostCertificates(dir, host)
	if err != nil || len(certs) != 1 || !validAt(certs[0], now) || validAt(certs[0], now.Add(time.Second)) || validAt(certs[0], now.Add(-time.Minute)) {
		t.Errorf("%v, %v", certs, err)
	}
	// One that has become another key's is left out, and told of.
	other, err := LoadHostKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if certs, err := LoadHostCertificates(dir, other); len(certs) > 0 || err == nil {
		t.Errorf("with other keys: %v, %v", certs, err)
	}
}

// A certificate that clients refuse for what it is signed with is not taken, and not shown where it lies already. Control: the same authority's of SHA-2 is.
func TestHostCertificatesOfSHA1(t *testing.T) {
	dir := t.TempDir()
	host, err := LoadHostKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]bool{ssh.KeyAlgoRSA: false, ssh.KeyAlgoRSASHA256: true, ssh.KeyAlgoRSASHA512: true} {
		cert := &ssh.Certificate{Key: host[0].PublicKey(), CertType: ssh.HostCert, ValidBefore: ssh.CertTimeInfinity}
		if err := cert.SignCert(rand.Reader, signerOf(t, format)); err != nil {
			t.Fatal(err)
		}
		if cert.Signature.Format != format {
			t.Fatalf("it is signed as %s, and not as %s: this shows nothing", cert.Signature.Format, format)
		}
		if err := signedByItself(cert); err != nil {
			t.Fatalf("%s does not verify, and so shows nothing: %v", format, err)
		}
		file := filepath.Join(t.TempDir(), "cert")
		if err := os.WriteFile(file, ssh.MarshalAuthorizedKey(cert), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := TakeHostCertificate(dir, file, time.Now()); (err == nil) != want || !want && !strings.Contains(err.Error(), "signed with SHA-1 ("+format+")") {
			t.Errorf("%s: %v", format, err)
		}
		lies := filepath.Join(dir, keyKinds[0].file+certSuffix)
		if err := os.WriteFile(lies, ssh.MarshalAuthorizedKey(cert), 0o600); err != nil {
			t.Fatal(err)
		}
		if certs, err := LoadHostCertificates(dir, host); (len(certs) == 1) != want || (err == nil) != want {
			t.Errorf("%s, where it lies: %d certificates, %v", format, len(certs), err)
		}
	}
}

// So is what claims to be signed with DSA, of which ssh-keygen of these days makes none.
func TestHostCertificatesOfDSA(t *testing.T) {
	dir := t.TempDir()
	host, err := LoadHostKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert := &ssh.Certificate{Key: host[0].PublicKey(), CertType: ssh.HostCert, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, signerOf(t, ssh.KeyAlgoRSASHA512)); err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{"ssh-dss": "signed with SHA-1 (ssh-dss)", ssh.KeyAlgoRSASHA256: "does not verify"} {
		cert.Signature.Format = format
		file := filepath.Join(t.TempDir(), "cert")
		if err := os.WriteFile(file, ssh.MarshalAuthorizedKey(cert), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := TakeHostCertificate(dir, file, time.Now()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// signerOf signs in one format of RSA.
func signerOf(t *testing.T, format string) ssh.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	one, err := ssh.NewSignerWithAlgorithms(signer.(ssh.AlgorithmSigner), []string{format})
	if err != nil {
		t.Fatal(err)
	}
	return one
}
