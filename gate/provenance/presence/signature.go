package presence

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// Why a signature proves no presence.
var (
	ErrNoSecurityKey = errors.New("the key is no security key")
	ErrUntouched     = errors.New("nobody touched the security key")
	ErrSignature     = errors.New("the signature is not good")
)

// Flags of a signature by a security key: those of FIDO's authenticator data (CTAP 2.1 section 6.1, OpenSSH PROTOCOL.u2f).
const (
	flagPresent  = 0x01
	flagVerified = 0x04
)

// Proof is what a good signature by a security key shows. The zero Proof shows nothing.
type Proof struct {
	Key      ssh.PublicKey // a plain key, never a certificate
	Touched  bool          // somebody touched the key
	Verified bool          // and was verified by it, by PIN or fingerprint
}

// IsSecurityKey reports whether a public key is one of the two types of security keys.
func IsSecurityKey(key ssh.PublicKey) bool {
	return key != nil && (key.Type() == ssh.KeyAlgoSKED25519 || key.Type() == ssh.KeyAlgoSKECDSA256)
}

// fields follows the signature proper (OpenSSH PROTOCOL.u2f, SSH U2F Signatures).
type fields struct {
	Flags   byte
	Counter uint32
}

// verify checks a touched signature, in the format of RFC 4253 section 6.6, by a security key over data.
func verify(key ssh.PublicKey, data, signature []byte) (Proof, error) {
	if !IsSecurityKey(key) {
		return Proof{}, ErrNoSecurityKey
	}
	var s ssh.Signature
	if err := ssh.Unmarshal(signature, &s); err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	var f fields
	if err := ssh.Unmarshal(s.Rest, &f); err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if f.Flags&flagPresent == 0 {
		return Proof{}, ErrUntouched
	}
	// The flags are under the signature.
	if err := key.Verify(data, &s); err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return Proof{Key: key, Touched: true, Verified: f.Flags&flagVerified != 0}, nil
}
