package presence

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"forkgate/gate"
)

// EnteringNamespace is the one of what lets in: ssh-keygen -Y sign -n touch@forkgate. A signature by which somebody approves lets
// nobody in, and the other way round.
const EnteringNamespace = "touch@forkgate"

// Entering is what a person agrees to by signing it: to come in, by one connection, where it leads. It is how a key touches whose
// signature of a userauth request is not to be had. Its text is one line, without a quote in it, to be handed to a shell:
//
//	alice to shop at db1.example.org by connection 64 hexadecimal digits
//
// The digits are the SHA-256 of the SSH connection's session id, which no other connection has and which ends with it.
type Entering struct {
	Host      string // which gate
	Caller    string // the principal that comes in
	User      string // the SSH user name: a ref, or a control user
	SessionID []byte
}

// Text is what is signed.
func (e Entering) Text() (string, error) {
	_, err := gate.ParseRef(e.User)
	switch {
	case e.Host == "" || len(e.Host) > maxHost || strings.ContainsFunc(e.Host, isOutsideNames):
		return "", fmt.Errorf("%w: its host is %.60q", ErrChallenge, e.Host)
	case gate.CheckName(e.Caller) != nil:
		return "", fmt.Errorf("%w: its caller is %.60q", ErrChallenge, e.Caller)
	case err != nil && !gate.IsControl(e.User):
		return "", fmt.Errorf("%w: its user is %.60q", ErrChallenge, e.User)
	case len(e.SessionID) == 0:
		return "", fmt.Errorf("%w: it is of no connection", ErrChallenge)
	}
	sum := sha256.Sum256(e.SessionID)
	return fmt.Sprintf("%s to %s at %s by connection %s", e.Caller, e.User, e.Host, hex.EncodeToString(sum[:])), nil
}

// Command signs it, in a shell on any machine that ssh is on, and prints the signature as one line.
func (e Entering) Command() (string, error) {
	text, err := e.Text()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("printf %%s '%s' | ssh-keygen -Y sign -n %s -f ~/.ssh/id_ecdsa_sk | grep -v - | tr -d '\\n'", text, EnteringNamespace), nil
}

// isOutsideNames finds what is of no host's name: a shell could take it for more.
func isOutsideNames(r rune) bool {
	return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._", r)
}

// VerifyEntering checks that a touched security key has signed it, armored as ssh-keygen writes it. Whether the key is one that counts,
// and whether the connection is recent, is for the caller to know. It fails with ErrChallenge, ErrNoSecurityKey, ErrUntouched or
// ErrSignature.
func VerifyEntering(e Entering, armored []byte) (Proof, error) {
	text, err := e.Text()
	if err != nil {
		return Proof{}, err
	}
	return verifySSHSIG(EnteringNamespace, []byte(text), armored)
}
