package presence

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"forkgate/gate"
)

// ErrChallenge is a challenge that is none: incomplete, or malformed.
var ErrChallenge = errors.New("not a challenge")

// ErrExpired is a signature that comes too late.
var ErrExpired = errors.New("the challenge has expired")

// challengeVersion is the one version of challenges that is written.
const challengeVersion = "forkgate challenge 2"

const (
	// MaxWork is how long what a session runs may be, as it is shown, its environment included: who approves reads all of it.
	MaxWork = 4 << 10

	maxHost     = 253 // a host name's length, RFC 1035 section 2.3.4
	nonceLength = 26  // of crypto/rand.Text: 128 bits in base32
)

// Challenge is what a person agrees to by signing it. Its text, which is what is signed, has these lines, in this order, each ended
// by a newline, and no others:
//
//	forkgate challenge 2
//	host db1.example.org
//	caller alice-agents
//	kind agent
//	repo shop
//	op exec make deploy
//	env EDITOR=vi
//	sessions 1
//	lasts 15m
//	expires 2026-11-26T12:15:00Z
//	nonce 26 letters and digits
//
// The command stands behind op exec alone, and there is a line env for each variable that the client sends along: any number of them.
type Challenge struct {
	Host    string        // which gate asks: a person with several reads what is agreed to where
	Caller  string        // the principal that is to be let in
	Kind    gate.Kind     // as what
	Repo    string        // where: a ref, canonical
	Op      gate.Op       // what for: shell, exec or sftp
	Command string        // of op exec: what runs, as gate.Exact shows it
	Env     []string      // NAME=VALUE, as gate.Exact shows them
	Uses    int           // how many sessions it opens
	Lasts   time.Duration // how long, from the approval on
	Expires time.Time     // whole seconds, UTC; until then the signature is good
	Nonce   string        // of NewNonce; whoever gives it out takes it back once
}

// NewNonce makes up a nonce.
func NewNonce() string { return rand.Text() }

// Text is what is signed, by ssh-keygen -Y sign -n grant@forkgate.
func (c Challenge) Text() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	text := fmt.Appendf(nil, "%s\nhost %s\ncaller %s\nkind %s\nrepo %s\nop %s\n",
		challengeVersion, c.Host, c.Caller, c.Kind, c.Repo, strings.TrimSpace(string(c.Op)+" "+c.Command))
	for _, variable := range c.Env {
		text = fmt.Appendf(text, "env %s\n", variable)
	}
	return fmt.Appendf(text, "sessions %d\nlasts %s\nexpires %s\nnonce %s\n", c.Uses, gate.Span(c.Lasts), c.Expires.UTC().Format(time.RFC3339), c.Nonce), nil
}

func (c Challenge) check() error {
	wrong := func(what, value string) error { return fmt.Errorf("%w: its %s is %.60q", ErrChallenge, what, value) }
	ref, err := gate.ParseRef(c.Repo)
	switch {
	case c.Host == "" || len(c.Host) > maxHost || strings.ContainsAny(c.Host, " \n") || c.Host != gate.Printable(c.Host):
		return wrong("host", c.Host)
	case gate.CheckName(c.Caller) != nil:
		return wrong("caller", c.Caller)
	case err != nil || ref.Fresh || ref.String() != c.Repo:
		return wrong("repo", c.Repo)
	case c.Uses < 1:
		return wrong("number of sessions", fmt.Sprint(c.Uses))
	case c.Lasts <= 0:
		return wrong("duration", c.Lasts.String())
	case c.Expires.IsZero() || c.Expires.Nanosecond() != 0 || c.Expires.UTC().Year() > 9999:
		return wrong("expiry", c.Expires.String())
	case len(c.Nonce) != nonceLength || strings.Trim(c.Nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "":
		return wrong("nonce", c.Nonce)
	}
	return c.checkWork()
}

// checkWork refuses what is not shown whole, or could be read as something else.
func (c Challenge) checkWork() error {
	length := 0
	for _, text := range append([]string{c.Command}, c.Env...) {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return fmt.Errorf("%w: it runs %.60q, which is not as it has to be shown", ErrChallenge, text)
		}
		length += len(text)
	}
	switch {
	case !slices.Contains([]gate.Op{gate.OpShell, gate.OpExec, gate.OpSFTP}, c.Op) || (c.Op == gate.OpExec) != (c.Command != ""):
		return fmt.Errorf("%w: its op is %.40q, with the command %.60q", ErrChallenge, string(c.Op), c.Command)
	case slices.Contains(c.Env, ""):
		return fmt.Errorf("%w: a variable of it has no name", ErrChallenge)
	case length > MaxWork:
		return fmt.Errorf("%w: what it runs is longer than %d bytes", ErrChallenge, MaxWork)
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
	return verifySSHSIG(Namespace, text, armored)
}
