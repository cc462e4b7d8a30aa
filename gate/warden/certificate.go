package warden

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

// attestation is what a certificate has proved of a connection.
type attestation struct {
	attestor  string // fingerprint of the key that signed it
	statement []byte
}

// certifiedKey verifies a certificate of an authority's, whose key has signed this connection: it makes the key its principal's.
func (r *request) certifiedKey(cert *ssh.Certificate, who *identity) error {
	principal, err := r.certifies(cert, who, r.now())
	if err != nil {
		return r.refuseCertificate(cert, who, err)
	}
	who.principal, who.authority = principal, ssh.FingerprintSHA256(cert.SignatureKey)
	return nil
}

// stillCertified asks again: policy may have dropped the authority since, and certificates end. What runs already a certificate that ends
// does not end.
func (r *request) stillCertified(who *identity) error {
	cert, _ := who.key.(*ssh.Certificate)
	when := r.asOf
	if when.IsZero() {
		when = r.now()
	}
	principal, err := r.certifies(cert, who, when)
	if err == nil && principal == who.principal {
		return nil
	}
	r.journal.Info("a certificate counts no more", "session", r.session, "principal", who.principal, "error", err)
	return &gate.Refusal{Reason: "the certificate is not accepted any more", Hint: "connect again with a new one"}
}

// certifies asks the authorities of the policy as it is now whose the key was at a time.
func (r *request) certifies(cert *ssh.Certificate, who *identity, when time.Time) (principal string, err error) {
	authority, known := provenance.AuthorityOf(cert, r.rules.Authorities())
	if !known {
		return "", fmt.Errorf("%w: policy has no authority with the key %s any more", provenance.ErrNotCertified, ssh.FingerprintSHA256(cert.SignatureKey))
	}
	principal, err = authority.Certifies(cert, who.source, when)
	if _, there := r.rules.PrincipalByName(principal); err == nil && !there {
		err = fmt.Errorf("%w: policy has no principal %q", provenance.ErrNotCertified, principal)
	}
	return principal, err
}

// certified verifies a certificate whose key has signed this connection, and says who speaks by it. The true reason of a refusal is for
// the record: the client could only learn from it what to forge next.
func (r *request) certified(cert *ssh.Certificate, c provenance.Connection, who *identity) error {
	attested, err := provenance.Verify(cert, r.rules.Attestors(), c, r.serials, r.now())
	if err == nil {
		if _, known := r.rules.PrincipalByName(attested.Principal); !known {
			err = fmt.Errorf("%w: policy has no principal %q", provenance.ErrPrincipal, attested.Principal)
		}
	}
	if err != nil {
		return r.refuseCertificate(cert, who, err)
	}
	who.principal = attested.Principal
	who.attested = &attestation{ssh.FingerprintSHA256(cert.SignatureKey), []byte(cert.CriticalOptions[provenance.StatementOption])}
	return nil
}

// refuseCertificate records why, and returns what the door is told.
func (r *request) refuseCertificate(cert *ssh.Certificate, who *identity, why error) error {
	asked := gate.Request{
		Caller: gate.Caller{Key: ssh.FingerprintSHA256(cert.Key), Evidence: []string{}}, Source: who.source, Door: sshDoor,
	}
	if err := r.log.Refused(r.session, asked, why.Error()); err != nil {
		return err
	}
	return &gate.Refusal{Reason: "the certificate is not accepted", Hint: "ask the operator, who finds out why"}
}

// ours reports whether an attestor or an authority of the policy's has signed the certificate. Nothing is proved by that: it spares clients that bring
// certificates of other kinds the signature.
func (r *request) ours(cert *ssh.Certificate) bool {
	for _, a := range r.rules.Attestors() {
		if cert.SignatureKey != nil && bytes.Equal(a.Key.Marshal(), cert.SignatureKey.Marshal()) {
			return true
		}
	}
	_, known := provenance.AuthorityOf(cert, r.rules.Authorities())
	return known
}

// strangers bounds what callers that nobody knows can have written into the record.
func newStrangers() *rate.Limiter { return rate.NewLimiter(1, 100) }

// maxSerials is how many certificates of one attestor are remembered at a time. They are good for some minutes at most, so one more
// is no workstation's any more, and refused.
const maxSerials = 1 << 14

// serials remembers which certificates were used, for as long as they could be used again. After a restart of the warden that is
// forgotten, and no harm: a certificate is bound to its connection's session id as well.
type serials struct {
	now  func() time.Time
	mu   sync.Mutex
	used map[string]map[uint64]time.Time // attestor -> serial -> until when
}

func newSerials(now func() time.Time) *serials {
	return &serials{now: now, used: map[string]map[uint64]time.Time{}}
}

// Use is provenance.Serials.
func (s *serials) Use(attestor string, serial uint64, until time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := s.used[attestor]
	if used == nil {
		used = map[uint64]time.Time{}
		s.used[attestor] = used
	}
	if len(used) >= maxSerials/2 {
		now := s.now()
		for n, end := range used {
			if !now.Before(end) {
				delete(used, n)
			}
		}
	}
	if _, twice := used[serial]; twice || len(used) >= maxSerials {
		return false
	}
	used[serial] = until
	return true
}
