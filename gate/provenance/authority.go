package provenance

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
)

// Authority is a certificate authority of the operator's: its certificates say whose a key is, as a line of the policy would, and nothing of
// who holds it. So they never make a person.
type Authority struct {
	Name       string
	Key        ssh.PublicKey     // signs certificates
	Principals map[string]string // a name in certificates -> whom it speaks as here
	Revoked    []string          // SHA256 fingerprints of keys whose certificates count no more
}

// ErrNotCertified says that a certificate of an authority's is not accepted.
var ErrNotCertified = errors.New("the certificate does not count")

// minRSA is the shortest RSA modulus in bits. sshd's own RequiredRSASize defaults to 1024, which is too short today.
const minRSA = 2048

// sourceAddress is the one critical option that is understood (OpenSSH's PROTOCOL.certkeys).
const sourceAddress = "source-address"

// AuthorityOf finds the authority that signed a certificate. Nothing is proved by that.
func AuthorityOf(cert *ssh.Certificate, authorities []Authority) (Authority, bool) {
	for _, a := range authorities {
		if cert.SignatureKey != nil && bytes.Equal(a.Key.Marshal(), cert.SignatureKey.Marshal()) {
			return a, true
		}
	}
	return Authority{}, false
}

// Certifies says whom an authority's certificate makes of who comes from an address now. That its key signed the connection is for the caller
// to know. What else its extensions let a caller have, such as permit-pty, is asked of them where that is asked for.
func (a Authority) Certifies(cert *ssh.Certificate, source netip.Addr, now time.Time) (principal string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrNotCertified, err)
		}
	}()
	if err := a.checkKey(cert); err != nil {
		return "", err
	}
	if err := fromAddress(cert.CriticalOptions, source); err != nil {
		return "", err
	}
	name, principal, err := a.principal(cert.ValidPrincipals)
	if err != nil {
		return "", err
	}
	checker := ssh.CertChecker{Clock: func() time.Time { return now }, SupportedCriticalOptions: []string{sourceAddress}}
	return principal, checker.CheckCert(name, cert)
}

// checkKey refuses certificates that are not for users, and keys that the policy would not take either.
func (a Authority) checkKey(cert *ssh.Certificate) error {
	if cert.CertType != ssh.UserCert {
		return errors.New("it is no user's")
	}
	if slices.Contains(a.Revoked, ssh.FingerprintSHA256(cert.Key)) {
		return errors.New("its key is revoked")
	}
	if _, waived := cert.Extensions["no-touch-required"]; waived {
		return errors.New("it waives the touch, by no-touch-required")
	}
	return CheckStrength(cert.Key)
}

// CheckStrength refuses RSA keys that are too short today.
func CheckStrength(key ssh.PublicKey) error {
	if crypto, ok := key.(ssh.CryptoPublicKey); ok {
		if public, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok && public.N.BitLen() < minRSA {
			return fmt.Errorf("this RSA key has %d bits, and %d is the least: use ssh-ed25519", public.N.BitLen(), minRSA)
		}
	}
	return nil
}

// principal finds the one that the names in a certificate stand for. A certificate without names, which others take for everybody's, is
// nobody's.
func (a Authority) principal(names []string) (name, principal string, err error) {
	for _, n := range names {
		p, known := a.Principals[n]
		if known && principal != "" && p != principal {
			return "", "", fmt.Errorf("it is both %s's and %s's", principal, p)
		}
		if known {
			name, principal = n, p
		}
	}
	if principal == "" {
		return "", "", fmt.Errorf("%s knows none of its names, %.200q", a.Name, names)
	}
	return name, principal, nil
}

// fromAddress checks the option source-address: addresses and ranges, with commas between them.
func fromAddress(options map[string]string, source netip.Addr) error {
	list, limited := options[sourceAddress]
	if !limited {
		return nil
	}
	for item := range strings.SplitSeq(list, ",") {
		network, err := netip.ParsePrefix(item)
		if address, alone := netip.ParseAddr(item); err != nil && alone == nil {
			network, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			return fmt.Errorf("its source-address is malformed: %.80q", item)
		}
		if network.Contains(source.Unmap().WithZone("")) {
			return nil
		}
	}
	return fmt.Errorf("it counts from %.200q alone, and not from %s", list, source)
}

// readAuthority takes what a certificate of an authority's says of a key.
func readAuthority(principal Principal, e gate.Evidence, say func(string)) {
	say("a certificate by the authority's key " + gate.Printable(e.Authority) + " says that it is " + gate.Printable(principal.Name) + "'s, and nothing of who holds it")
}
