package provenance

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
)

// Why a certificate is refused, beside ErrStatement.
var (
	ErrCertificate = errors.New("not a certificate of an attestor's kind")
	ErrUnknownCA   = errors.New("no attestor or authority of ours signed the certificate")
	ErrPrincipal   = errors.New("the certificate does not name the one principal that the attestor may speak for")
	ErrValidity    = errors.New("the certificate is not valid now")
	ErrConnection  = errors.New("the certificate is another connection's")
	ErrOption      = errors.New("the certificate asks for what is not granted")
	ErrSerial      = errors.New("the certificate was used before")
)

// Attestor is a workstation whose statements a gate believes.
type Attestor struct {
	Name       string
	Key        ssh.PublicKey     // its CA key
	Principals map[uint32]string // as whom a uid of that workstation speaks here
	Minimum    []Protection      // without all of these its statements make nobody a person
}

// maxAttestorName is a host name's length in bytes, RFC 1035 section 2.3.4.
const maxAttestorName = 253

// CheckAttestorName says what is wrong with the name of a workstation.
func CheckAttestorName(name string) error {
	if name == "" || len(name) > maxAttestorName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("an attestor's name is 1 to %d bytes of printable characters, its workstation's host name for one", maxAttestorName)
	}
	return nil
}

// Serials remembers which certificates were used.
type Serials interface {
	// Use reports whether an attestor's serial is used for the first time. It need not be remembered beyond until.
	Use(attestor string, serial uint64, until time.Time) bool
}

// Attested is what a good certificate says, and on whose word.
type Attested struct {
	Attestor  string
	Principal string
	Statement Statement
	Missing   []Protection // of the attestor's minimum; where one is missing the statement makes nobody a person and grants no override
}

// Verify says whether a certificate is an attestor's, is for this connection, and comes for the first time. That its key signed the
// connection is for the caller to know before. The serial is used up only by a certificate that is good in all else, so that a
// forged one cannot burn the serial of a good one.
func Verify(cert *ssh.Certificate, attestors []Attestor, c Connection, serials Serials, now time.Time) (Attested, error) {
	attestor, err := issuer(cert, attestors)
	if err != nil {
		return Attested{}, err
	}
	if err := checkForm(cert); err != nil {
		return Attested{}, err
	}
	if err := checkSignatureAndTime(cert, now); err != nil {
		return Attested{}, err
	}
	s, err := DecodeStatement([]byte(cert.CriticalOptions[StatementOption]))
	if err != nil {
		return Attested{}, err
	}
	if !c.complete() || s.Session != hex.EncodeToString(c.SessionID) {
		return Attested{}, fmt.Errorf("%w: its session id is not this one's", ErrConnection)
	}
	if s.HostKey != ssh.FingerprintSHA256(c.HostKey) {
		return Attested{}, fmt.Errorf("%w: it was made for the host key %s", ErrConnection, s.HostKey)
	}
	principal := cert.ValidPrincipals[0]
	if known, ok := attestor.Principals[s.UID]; !ok || known != principal {
		return Attested{}, fmt.Errorf("%w: uid %d of %s is not %q", ErrPrincipal, s.UID, attestor.Name, principal)
	}
	until := time.Unix(int64(cert.ValidBefore), 0).Add(MaxSkew)
	if serials == nil || !serials.Use(attestor.Name, cert.Serial, until) {
		return Attested{}, fmt.Errorf("%w: serial %d of %s", ErrSerial, cert.Serial, attestor.Name)
	}
	return Attested{Attestor: attestor.Name, Principal: principal, Statement: s, Missing: attestor.missing(s)}, nil
}

func (a Attestor) missing(s Statement) (missing []Protection) {
	for _, p := range a.Minimum {
		if !slices.Contains(s.Protections, p) {
			missing = append(missing, p)
		}
	}
	return missing
}

// Person reports whether a person is attested, by all that the operator asks of that workstation.
func (a Attested) Person() bool { return a.Statement.Verdict == ByPerson && len(a.Missing) == 0 }

// Overrides reports whether an agent is attested that was given leave, from above, to enter the repository.
func (a Attested) Overrides(repository string) bool {
	return a.Statement.Verdict == ByAgent && len(a.Missing) == 0 && a.Statement.Override.Grants(repository)
}

func issuer(cert *ssh.Certificate, attestors []Attestor) (Attestor, error) {
	if cert == nil || cert.SignatureKey == nil || cert.Key == nil {
		return Attestor{}, ErrCertificate
	}
	for _, a := range attestors {
		if a.Key != nil && bytes.Equal(a.Key.Marshal(), cert.SignatureKey.Marshal()) {
			return a, nil
		}
	}
	return Attestor{}, fmt.Errorf("%w: its key is %s", ErrUnknownCA, ssh.FingerprintSHA256(cert.SignatureKey))
}

// checkForm refuses what an attestor never writes.
func checkForm(cert *ssh.Certificate) error {
	if cert.CertType != ssh.UserCert || cert.Key.Type() != ssh.KeyAlgoED25519 {
		return fmt.Errorf("%w: type %d, key %s", ErrCertificate, cert.CertType, cert.Key.Type())
	}
	// To OpenSSH, and to the library, a certificate without principals is everybody's.
	if len(cert.ValidPrincipals) != 1 || cert.ValidPrincipals[0] == "" {
		return fmt.Errorf("%w: it names %q", ErrPrincipal, cert.ValidPrincipals)
	}
	// By name, so that of several faults the record has the same one each time.
	for _, name := range slices.Sorted(maps.Keys(cert.CriticalOptions)) {
		if name != StatementOption {
			return fmt.Errorf("%w: critical option %.40q", ErrOption, name)
		}
	}
	if _, ok := cert.CriticalOptions[StatementOption]; !ok {
		return fmt.Errorf("%w: it holds none", ErrStatement)
	}
	for _, name := range slices.Sorted(maps.Keys(cert.Extensions)) { // no-touch-required above all
		return fmt.Errorf("%w: extension %.40q", ErrOption, name)
	}
	return nil
}

// utc writes a time of a certificate, seconds after 1970, which is far's at most.
func utc(seconds uint64) string { return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339) }

func checkSignatureAndTime(cert *ssh.Certificate, now time.Time) error {
	after, before := cert.ValidAfter, cert.ValidBefore
	const far = 1 << 37 // seconds: some thousands of years, which RFC 3339 can still write
	switch {
	case before > far:
		return fmt.Errorf("%w: it is made to last for ever, and %s is the longest", ErrValidity, gate.Span(Lifetime))
	case after >= before:
		return fmt.Errorf("%w: it ends before it begins, at %s", ErrValidity, utc(before))
	case before-after > uint64(Lifetime/time.Second):
		return fmt.Errorf("%w: it is made to last too long, from %s to %s, and %s is the longest", ErrValidity, utc(after), utc(before), gate.Span(Lifetime))
	}
	if from := time.Unix(int64(after), 0); now.Before(from.Add(-MaxSkew)) {
		return fmt.Errorf("%w: it begins at %s, and here it is %s", ErrValidity, utc(after), now.UTC().Format(time.RFC3339))
	}
	if until := time.Unix(int64(before), 0); !now.Before(until.Add(MaxSkew)) {
		return fmt.Errorf("%w: it ended at %s, and here it is %s", ErrValidity, utc(before), now.UTC().Format(time.RFC3339))
	}
	checker := ssh.CertChecker{
		SupportedCriticalOptions: []string{StatementOption},
		Clock:                    func() time.Time { return time.Unix(int64(after), 0) }, // the time is checked above, with its skew
	}
	if err := checker.CheckCert(cert.ValidPrincipals[0], cert); err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return nil
}
