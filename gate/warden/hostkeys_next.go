package warden

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Behind the name of a key: the one that is to follow it, which clients learn meanwhile, and the one that it has followed.
const (
	NextSuffix    = ".next"
	retiredSuffix = ".retired"
)

// LoadNextKeys reads the keys in dir that are to follow others. Those that are of no use are what the error tells of: the host has its keys without.
func LoadNextKeys(dir string) (keys HostKeys, err error) { return loadOthers(dir, NextSuffix) }

// LoadRetiredKeys reads the keys in dir that others have followed. Of the error, see LoadNextKeys.
func LoadRetiredKeys(dir string) (keys HostKeys, err error) { return loadOthers(dir, retiredSuffix) }

func loadOthers(dir, suffix string) (keys HostKeys, failed error) {
	for _, kind := range keyKinds {
		key, err := loadKey(filepath.Join(dir, kind.file+suffix))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			failed = errors.Join(failed, err)
		default:
			keys = append(keys, key)
		}
	}
	return keys, failed
}

// HostKey is one in a directory of them, for people.
type HostKey struct {
	File        string `json:"file"`
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"`
	Fault       string `json:"fault,omitempty"` // why it is of no use
	// Of certificates: the fingerprint is the authority's.
	Hosts []string   `json:"hosts,omitempty"` // that it is for; every one where there is none
	Until *time.Time `json:"until,omitempty"` // in which it is valid no more; nil: always
}

// IsCertificate tells certificates from keys.
func (k HostKey) IsCertificate() bool { return strings.HasSuffix(k.File, certSuffix) }

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
				all = append(all, HostKey{File: file + certSuffix, Fault: err.Error()})
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
	made := 0
	for _, kind := range keyKinds {
		path := filepath.Join(dir, kind.file+NextSuffix)
		if _, err := os.Lstat(path); err == nil {
			continue // of an attempt that did not come to its end, or of all of them
		}
		if _, err := makeKey(path, kind.make); err != nil {
			return err
		}
		made++
	}
	if made == 0 {
		return &fs.PathError{Op: "make", Path: filepath.Join(dir, keyKinds[0].file+NextSuffix), Err: fs.ErrExist}
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
	if again, err := ssh.ParsePrivateKey(text); err != nil || !bytes.Equal(again.PublicKey().Marshal(), key.PublicKey().Marshal()) {
		return fmt.Errorf("cannot take %s: it is being written", file)
	}
	if has, err := loadKey(filepath.Join(dir, name)); err == nil && bytes.Equal(has.PublicKey().Marshal(), key.PublicKey().Marshal()) {
		return fmt.Errorf("cannot take %s: it is the key that the gate has", file)
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

// RetireHostKeys has the keys that are to follow take their places. The old ones are kept until the next time: connections that know them go on.
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
		if err := retire(path, key); err != nil {
			return fmt.Errorf("cannot have a host key follow: %w", err)
		}
		many++
	}
	if many == 0 {
		return errors.New("no host key is to follow another one: forkgate hostkey add")
	}
	return nil
}

// retire has the key that is to follow take its place. The rename of that comes last but for what nobody needs: where something before it fails, all of it
// can be said again.
func retire(path string, next ssh.Signer) error {
	for _, do := range []func() error{
		func() error { return removeAny(path + retiredSuffix) },
		func() error { return os.Link(path, path+retiredSuffix) },
		func() error { return removeAny(path + certSuffix) },
		func() error { return writePublic(path, next) },
		func() error { return os.Rename(path+NextSuffix, path) },
		func() error { return removeAny(path + NextSuffix + ".pub") },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func removeAny(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
