package attestor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"forkgate/gate/provenance"
)

// InitKey makes the key that signs certificates, where there is none, and returns it. Whoever can read it can be anybody of this
// workstation: it is root's alone.
//
// It is of NIST P-256 and not ed25519 because of ssh, which verifies its signature each time that it reads a certificate, twice for a login: by
// OpenSSL the one, and by slow code of its own the other.
func InitKey(path string) (ssh.Signer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "forkgate-attest")
	if err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // O_EXCL, 0600
	if err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	defer os.Remove(draft.Name())
	_, err = draft.Write(pem.EncodeToMemory(block))
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	// Of two that race one wins, and both use its key.
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	return LoadKey(path)
}

// LoadKey reads the key. It judges the file that it has opened, and follows no link.
func LoadKey(path string) (ssh.Signer, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no key %s: run forkgate-attest init", path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the key: %w", err)
	}
	defer f.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return nil, fmt.Errorf("cannot read the key: %w", err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Uid != 0 || stat.Mode&0o077 != 0 {
		return nil, fmt.Errorf("cannot use the key %[1]s: others than root can read or change it; run: chown root %[1]s; chmod 600 %[1]s", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("cannot read the key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key %s: %w", path, err)
	}
	return key, nil
}

// Block is what a gate's policy says of this workstation.
func Block(name string, key ssh.PublicKey, principals map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "attestor %q {\n  key        = %q\n", name, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
	var pairs, words []string
	for uid, principal := range principals {
		pairs = append(pairs, fmt.Sprintf("%q = %q", uid, principal))
	}
	slices.Sort(pairs)
	for _, p := range provenance.Protections() {
		words = append(words, fmt.Sprintf("%q", string(p)))
	}
	fmt.Fprintf(&b, "  principals = { %s }\n  minimum    = [%s]\n}\n", strings.Join(pairs, ", "), strings.Join(words, ", "))
	return b.String()
}
