// Package authenticator has OpenSSH make and use security keys without hardware: a middleware library for its SecurityKeyProvider,
// built by the test. Its keys claim what they are told to claim. What they show is what a gate makes of it, and nothing about FIDO.
package authenticator

import (
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"forkgate/tests/keys"
	"forkgate/tests/need"
)

//go:embed testdata/authenticator.c
var source string

// Authenticator is a drawer full of security keys of one maker.
type Authenticator struct {
	Provider string // for SecurityKeyProvider, and ssh-keygen -w
	Dir      string // for AUTHENTICATOR in the environment of ssh and ssh-keygen
	t        testing.TB
}

// New builds one whose keys are touched and, unless maker is nil, attested.
func New(t testing.TB, maker *keys.Maker) *Authenticator {
	t.Helper()
	need.Tools(t, "cc", "ssh-keygen")
	need.Files(t, "/usr/include/openssl/evp.h", "/usr/lib/openssh/ssh-sk-helper")
	dir := t.TempDir()
	a := &Authenticator{Provider: filepath.Join(dir, "authenticator.so"), Dir: dir, t: t}
	cc := exec.Command("cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", a.Provider, "-xc", "-", "-lcrypto")
	cc.Stdin = strings.NewReader(source)
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if maker != nil {
		key, err := x509.MarshalECPrivateKey(maker.Key)
		if err != nil {
			t.Fatal(err)
		}
		a.write("cert.der", maker.Leaf.Raw)
		a.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}))
	}
	return a
}

func (a *Authenticator) write(name string, data []byte) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.Dir, name), data, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// Claim has all of its keys claim other flags from now on: keys.Touched, keys.Verified.
func (a *Authenticator) Claim(flags byte) {
	a.t.Helper()
	a.write("flags", []byte(strconv.Itoa(int(flags))))
}

// Env is what ssh and ssh-keygen need in their environments.
func (a *Authenticator) Env() []string {
	return []string{"AUTHENTICATOR=" + a.Dir, "SSH_SK_PROVIDER=" + a.Provider}
}

// KeyGen makes a key at path by the real ssh-keygen, of type ed25519-sk or ecdsa-sk.
func (a *Authenticator) KeyGen(path, kind string, args ...string) {
	a.t.Helper()
	a.Run("", append([]string{"ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", path}, args...)...)
}

// Run runs a program with the authenticator at hand, and returns what it says.
func (a *Authenticator) Run(stdin string, args ...string) string {
	a.t.Helper()
	c := exec.Command(args[0], args[1:]...)
	c.Env = append(os.Environ(), a.Env()...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.Output()
	if err != nil {
		exit, _ := err.(*exec.ExitError)
		a.t.Fatalf("%q: %v: %s", args, err, exit.Stderr)
	}
	return string(out)
}
