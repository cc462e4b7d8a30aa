package warden

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
)

// certSuffix is behind the name of a key whose certificate it is: an authority of the clients' says with it which host has the key
// (OpenSSH's PROTOCOL.certkeys). They need to know the authority alone, by @cert-authority in known_hosts (sshd(8)).
const certSuffix = "-cert.pub"

// refusedSignatures are what no authority signs with by the default of CASignatureAlgorithms (ssh_config(5)), and golang.org/x/crypto takes all the same. Clients
// would not fall back on the key that they know.
var refusedSignatures = []string{ssh.KeyAlgoRSA, "ssh-dss"}

// LoadHostCertificates reads the certificates of keys in dir. Those that are of no use are what the error tells of; the keys are good without.
func LoadHostCertificates(dir string, keys HostKeys) (certs []*ssh.Certificate, failed error) {
	for _, kind := range keyKinds {
		cert, err := loadCertificate(filepath.Join(dir, kind.file+certSuffix), keys)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			failed = errors.Join(failed, err)
		default:
			certs = append(certs, cert)
		}
	}
	return certs, failed
}

// otherKeys are what the host has beside its keys, and can do without: of what is of no use the journal tells.
func otherKeys(dir string, keys HostKeys, journal *slog.Logger) (next, retired HostKeys, certificates []*ssh.Certificate) {
	next, noNext := LoadNextKeys(dir)
	retired, noRetired := LoadRetiredKeys(dir)
	certificates, noCertificates := LoadHostCertificates(dir, keys)
	if err := errors.Join(noNext, noRetired, noCertificates); err != nil {
		journal.Warn("some of what lies beside the host keys is of no use", "error", err)
	}
	for _, cert := range certificates {
		if !validAt(cert, time.Now()) {
			journal.Warn("clients see no certificate of a host key: it is not valid now", "certificate", cert.KeyId, "key", ssh.FingerprintSHA256(cert.Key))
		}
	}
	return next, retired, certificates
}

// loadCertificate reads one, which has to be of one of the keys.
func loadCertificate(file string, keys HostKeys) (*ssh.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read a host certificate: %w", err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", file, err)
	}
	cert, ok := key.(*ssh.Certificate)
	switch {
	case !ok || cert.CertType != ssh.HostCert:
		return nil, fmt.Errorf("%s is no certificate of a host: ssh-keygen -h makes one", file)
	case len(cert.CriticalOptions) > 0:
		return nil, fmt.Errorf("%s has critical options, and hosts have none", file)
	case slices.Contains(refusedSignatures, cert.Signature.Format):
		return nil, fmt.Errorf("%s is signed with SHA-1 (%s), which OpenSSH refuses since 8.2: with an RSA authority ssh-keygen -t rsa-sha2-512 -s CA -h signs otherwise", file, cert.Signature.Format)
	}
	if err := signedByItself(cert); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if _, err := keys.find(cert.Key.Marshal(), ""); err != nil {
		return nil, fmt.Errorf("%s is of another key than this host has: %s", file, ssh.FingerprintSHA256(cert.Key))
	}
	return cert, nil
}

// signedByItself checks that the authority that a certificate names has signed it: who that is clients judge.
func signedByItself(cert *ssh.Certificate) error {
	c := ssh.CertChecker{Clock: func() time.Time { return time.Unix(int64(min(cert.ValidAfter, math.MaxInt64)), 0) }}
	name := ""
	if len(cert.ValidPrincipals) > 0 {
		name = cert.ValidPrincipals[0]
	}
	return c.CheckCert(name, cert)
}

// TakeHostCertificate has clients see a certificate of one of the keys in dir. One that was there before is gone then.
func TakeHostCertificate(dir, file string, now time.Time) error {
	var keys HostKeys
	places := map[string]string{}
	for _, kind := range keyKinds {
		path := filepath.Join(dir, kind.file)
		key, err := loadKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		keys, places[string(key.PublicKey().Marshal())] = append(keys, key), path
	}
	if len(keys) == 0 {
		return fmt.Errorf("cannot take %s: this host has no keys in %s yet, which forkgate setup makes", file, dir)
	}
	cert, err := loadCertificate(file, keys)
	if err != nil {
		return fmt.Errorf("cannot take a certificate: %w", err)
	}
	if !validAt(cert, now) {
		return fmt.Errorf("%s is not valid now", file)
	}
	path := places[string(cert.Key.Marshal())] + certSuffix
	draft, err := writeDraft(path, ssh.MarshalAuthorizedKey(cert))
	if err != nil {
		return fmt.Errorf("cannot keep a host certificate: %w", err)
	}
	if err := os.Rename(draft, path); err != nil {
		return errors.Join(fmt.Errorf("cannot keep a host certificate: %w", err), os.Remove(draft))
	}
	return nil
}

// validAt reports whether clients take a certificate at a moment. ValidBefore is the first second in which they do not.
func validAt(cert *ssh.Certificate, now time.Time) bool {
	at := uint64(max(0, now.Unix()))
	return cert.ValidAfter <= at && (at < cert.ValidBefore || cert.ValidBefore == ssh.CertTimeInfinity)
}
