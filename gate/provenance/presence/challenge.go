package presence

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"forkgate/gate"
)

// ErrChallenge is a challenge that is none: incomplete, malformed, or of another version.
var ErrChallenge = errors.New("not a challenge")

// ErrExpired is a signature that comes too late.
var ErrExpired = errors.New("the challenge has expired")

// challengeVersion is the one version of challenges that is written and read.
const challengeVersion = "forkgate challenge 1"

const (
	maxChallenge = 2 << 10 // bytes
	maxHost      = 253     // a host name's length, RFC 1035 section 2.3.4
	nonceLength  = 26      // of crypto/rand.Text: 128 bits in base32
)

// Challenge is what a person agrees to by signing it. Its text, which is what is signed, has these lines, in this order, each ended
// by a newline, and no others:
//
//	forkgate challenge 1
//	host db1.example.org
//	caller alice-agents
//	op grant
//	repo shop
//	expires 2026-11-26T12:15:00Z
//	nonce 26 letters and digits
type Challenge struct {
	Host    string    // which gate asks: a person with several reads what is agreed to where
	Caller  string    // the principal that is to be let in
	Op      gate.Op   // what for
	Repo    string    // where: a ref, canonical
	Expires time.Time // whole seconds, UTC; until then the signature is good
	Nonce   string    // of NewNonce; whoever gives it out takes it back once
}

// NewNonce makes up a nonce.
func NewNonce() string { return rand.Text() }

// Text is what is signed, by ssh-keygen -Y sign -n grant@forkgate.
func (c Challenge) Text() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s\nhost %s\ncaller %s\nop %s\nrepo %s\nexpires %s\nnonce %s\n",
		challengeVersion, c.Host, c.Caller, c.Op, c.Repo, c.Expires.UTC().Format(time.RFC3339), c.Nonce), nil
}

// ParseChallenge reads what Text wrote, and nothing else.
func ParseChallenge(text []byte) (Challenge, error) {
	if len(text) > maxChallenge {
		return Challenge{}, fmt.Errorf("%w: longer than %d bytes", ErrChallenge, maxChallenge)
	}
	lines := strings.Split(string(text), "\n")
	names := []string{"host", "caller", "op", "repo", "expires", "nonce"}
	if lines[0] != challengeVersion || len(lines) != len(names)+2 {
		return Challenge{}, fmt.Errorf("%w: it does not have the lines of %q", ErrChallenge, challengeVersion)
	}
	values := make([]string, len(names))
	for i, name := range names {
		value, ok := strings.CutPrefix(lines[i+1], name+" ")
		if !ok {
			return Challenge{}, fmt.Errorf("%w: line %d does not say %s", ErrChallenge, i+2, name)
		}
		values[i] = value
	}
	expires, err := time.Parse(time.RFC3339, values[4])
	if err != nil {
		return Challenge{}, fmt.Errorf("%w: %w", ErrChallenge, err)
	}
	c := Challenge{values[0], values[1], gate.Op(values[2]), values[3], expires.UTC(), values[5]}
	again, err := c.Text()
	if err != nil {
		return Challenge{}, err
	}
	if !bytes.Equal(again, text) {
		return Challenge{}, fmt.Errorf("%w: not in the form that is written", ErrChallenge)
	}
	return c, nil
}

func (c Challenge) check() error {
	wrong := func(what, value string) error { return fmt.Errorf("%w: its %s is %.60q", ErrChallenge, what, value) }
	ref, err := gate.ParseRef(c.Repo)
	switch {
	case c.Host == "" || len(c.Host) > maxHost || strings.ContainsAny(c.Host, " \n") || c.Host != gate.Printable(c.Host):
		return wrong("host", c.Host)
	case gate.CheckName(c.Caller) != nil:
		return wrong("caller", c.Caller)
	case !c.Op.Valid():
		return wrong("op", string(c.Op))
	case err != nil || ref.Fresh || ref.String() != c.Repo:
		return wrong("repo", c.Repo)
	case c.Expires.IsZero() || c.Expires.Nanosecond() != 0 || c.Expires.UTC().Year() > 9999:
		return wrong("expiry", c.Expires.String())
	case len(c.Nonce) != nonceLength || strings.Trim(c.Nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "":
		return wrong("nonce", c.Nonce)
	}
	return nil
}

// Verify checks that a touched security key has signed the challenge, armored as ssh-keygen writes it, before it expired. Whether the
// key is one that counts, and whether the nonce was given out and comes back for the first time, is for the caller to know. It
// fails with ErrChallenge, ErrExpired, ErrNoSecurityKey, ErrUntouched or ErrSignature.
func Verify(c Challenge, armored []byte, now time.Time) (Proof, error) {
	text, err := c.Text()
	if err != nil {
		return Proof{}, err
	}
	if !now.Before(c.Expires) {
		return Proof{}, fmt.Errorf("%w at %s, and here it is %s", ErrExpired, c.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return verifySSHSIG(text, armored)
}
