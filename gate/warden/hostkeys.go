package warden

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"forkgate/gate/warden/client"
)

// HostKeysDir is where the host keys are.
const HostKeysDir = "/var/lib/forkgate/hostkeys"

// HostKeys are the private keys by which clients know the host. They never leave this process.
type HostKeys []ssh.Signer

// keyKinds are the keys that a host has, best first: what clients prefer, and P-256 for those without Ed25519.
var keyKinds = []struct {
	file string
	make func() (crypto.PrivateKey, error)
}{
	{"ssh_host_ed25519_key", func() (crypto.PrivateKey, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}},
	{"ssh_host_ecdsa_key", func() (crypto.PrivateKey, error) {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}},
}

// LoadHostKeys reads the host keys from dir, and makes those that are missing. Each comes with its public half in a .pub
// file, for known_hosts.
func LoadHostKeys(dir string) (HostKeys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot keep host keys: %w", err)
	}
	var keys HostKeys
	for _, kind := range keyKinds {
		path := filepath.Join(dir, kind.file)
		key, err := loadKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			key, err = makeKey(path, kind.make)
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func loadKey(path string) (ssh.Signer, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read a host key: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read a host key: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("cannot use host key %s: others can read it; run: chmod 600 %s", path, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read a host key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("cannot read host key %s: %w", path, err)
	}
	return key, nil
}

// makeKey writes a new key beside path and links it into place when it is whole: of two that race, one wins and both use
// its key.
func makeKey(path string, make func() (crypto.PrivateKey, error)) (ssh.Signer, error) {
	key, err := make()
	if err != nil {
		return nil, fmt.Errorf("cannot make a host key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, fmt.Errorf("cannot make a host key: %w", err)
	}
	draft, err := writeDraft(path, pem.EncodeToMemory(block))
	if err != nil {
		return nil, fmt.Errorf("cannot make a host key: %w", err)
	}
	defer os.Remove(draft)
	if err := os.Link(draft, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("cannot make a host key: %w", err)
	}
	signer, err := loadKey(path)
	if err != nil {
		return nil, err
	}
	return signer, writePublic(path, signer)
}

// writeDraft writes a new file beside path, which its owner alone can read, and its bytes to the disk.
func writeDraft(path string, data []byte) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // O_EXCL, 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// hostKeys answers which keys the host has.
func hostKeys(_ context.Context, r *request, _ struct{}) (answer, error) {
	var reply client.HostKeysReply
	for _, key := range r.keys {
		reply.Keys = append(reply.Keys, key.PublicKey().Marshal())
	}
	for _, key := range r.nextKeys {
		if r.speaks > 1 { // doors of the first version know of no others
			reply.Next = append(reply.Next, key.PublicKey().Marshal())
		}
	}
	for _, cert := range r.certificates {
		// A client that is shown one that is over takes the key for nobody's; without it, it looks for the key itself.
		if r.speaks > 1 && validAt(cert, r.now()) {
			reply.Certificates = append(reply.Certificates, cert.Marshal())
		}
	}
	return answer{body: reply}, nil
}
