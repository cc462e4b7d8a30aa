package warden

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
)

// NextSuffix is behind the name of a key that is to follow another one: clients learn it meanwhile.
const NextSuffix = ".next"

// LoadNextKeys reads the keys in dir that are to follow others.
func LoadNextKeys(dir string) (keys HostKeys, err error) {
	for _, kind := range keyKinds {
		key, err := loadKey(filepath.Join(dir, kind.file+NextSuffix))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// HostKey is one in a directory of them, for people.
type HostKey struct {
	File        string `json:"file"`
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"`
	// Of certificates: the fingerprint is the authority's.
	Hosts []string   `json:"hosts,omitempty"` // that it is for; every one where there is none
	Until *time.Time `json:"until,omitempty"` // in which it is valid no more; nil: always
}

// ListHostKeys lists those that there are, and those that are to follow.
func ListHostKeys(dir string) (all []HostKey, err error) {
	for _, kind := range keyKinds {
		for _, file := range []string{kind.file, kind.file + NextSuffix} {
			key, err := loadKey(filepath.Join(dir, file))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			all = append(all, HostKey{File: file, Type: key.PublicKey().Type(), Fingerprint: ssh.FingerprintSHA256(key.PublicKey())})
			if cert, err := loadCertificate(filepath.Join(dir, file+certSuffix), HostKeys{key}); err == nil {
				all = append(all, hostCertificate(file+certSuffix, cert))
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	return all, nil
}

func hostCertificate(file string, cert *ssh.Certificate) HostKey {
	k := HostKey{File: file, Type: cert.Type(), Fingerprint: ssh.FingerprintSHA256(cert.SignatureKey), Hosts: cert.ValidPrincipals}
	if cert.ValidBefore < math.MaxInt64 {
		until := time.Unix(int64(cert.ValidBefore), 0).UTC()
		k.Until = &until
	}
	return k
}

// AddHostKeys has keys follow those in dir: new ones of each kind, or those in files. The error for one that is to follow already is fs.ErrExist.
func AddHostKeys(dir string, files ...string) error {
	for _, file := range files {
		if err := takeKey(dir, file); err != nil {
			return err
		}
	}
	if len(files) > 0 {
		return nil
	}
	for _, kind := range keyKinds {
		path := filepath.Join(dir, kind.file+NextSuffix)
		if _, err := os.Lstat(path); err == nil {
			return &fs.PathError{Op: "make", Path: path, Err: fs.ErrExist}
		}
	}
	for _, kind := range keyKinds {
		if _, err := makeKey(filepath.Join(dir, kind.file+NextSuffix), kind.make); err != nil {
			return err
		}
	}
	return nil
}

// takeKey has the key in a file follow the one of its kind.
func takeKey(dir, file string) error {
	key, err := loadKey(file)
	if err != nil {
		return err
	}
	name, ok := map[string]string{ssh.KeyAlgoED25519: "ssh_host_ed25519_key", ssh.KeyAlgoECDSA256: "ssh_host_ecdsa_key"}[key.PublicKey().Type()]
	if !ok {
		return fmt.Errorf("cannot take %s: it is of %s, and the gate has keys of %s and %s", file, key.PublicKey().Type(), ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("cannot read a host key: %w", err)
	}
	path := filepath.Join(dir, name+NextSuffix)
	draft, err := writeDraft(path, text)
	if err != nil {
		return fmt.Errorf("cannot take a host key: %w", err)
	}
	defer os.Remove(draft)
	if err := os.Link(draft, path); errors.Is(err, fs.ErrExist) {
		return &fs.PathError{Op: "take", Path: path, Err: fs.ErrExist}
	} else if err != nil {
		return fmt.Errorf("cannot take a host key: %w", err)
	}
	return writePublic(path, key)
}

func writePublic(path string, key ssh.Signer) error {
	if err := os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(key.PublicKey()), 0o644); err != nil {
		return fmt.Errorf("cannot write a public host key: %w", err)
	}
	return nil
}

// RetireHostKeys has the keys that are to follow take their places. The old ones are gone then.
func RetireHostKeys(dir string) error {
	many := 0
	for _, kind := range keyKinds {
		path := filepath.Join(dir, kind.file)
		key, err := loadKey(path + NextSuffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		// The public half is written again where the last step does not come to pass.
		if err := errors.Join(os.Rename(path+NextSuffix, path), writePublic(path, key), removeAny(path+NextSuffix+".pub"), removeAny(path+certSuffix)); err != nil {
			return fmt.Errorf("cannot have a host key follow: %w", err)
		}
		many++
	}
	if many == 0 {
		return errors.New("no host key is to follow another one: forkgate hostkey add")
	}
	return nil
}

func removeAny(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
