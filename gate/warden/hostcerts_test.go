package warden

import (
	"crypto/rand"
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
