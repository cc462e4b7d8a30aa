package presence

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Namespace is the one of challenges, by which somebody approves: ssh-keygen -Y sign -n grant@forkgate. A signature for another purpose is none here, and
// one for a challenge is none anywhere else.
const Namespace = "grant@forkgate"

const (
	magic      = "SSHSIG"
	sigVersion = 1
	maxArmored = 16 << 10
	armorBegin = "-----BEGIN SSH SIGNATURE-----"
	armorEnd   = "-----END SSH SIGNATURE-----"
)

// blob is a signature, after the magic.
type blob struct {
	Version   uint32
	Key       []byte
	Namespace string
	Reserved  []byte
	Hash      string
	Signature []byte
}

// preimage is what is signed, after the magic.
type preimage struct {
	Namespace string
	Reserved  []byte
	Hash      string
	Digest    []byte
}

// verifySSHSIG checks an armored signature (OpenSSH PROTOCOL.sshsig) by a security key over message, in a namespace of ours.
func verifySSHSIG(namespace string, message, armored []byte) (Proof, error) {
	raw, err := unarmor(armored)
	if err != nil {
		return Proof{}, err
	}
	body, ok := bytes.CutPrefix(raw, []byte(magic))
	if !ok {
		return Proof{}, fmt.Errorf("%w: it does not begin with %s", ErrSignature, magic)
	}
	var b blob
	if err := ssh.Unmarshal(body, &b); err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if b.Version != sigVersion {
		return Proof{}, fmt.Errorf("%w: version %d", ErrSignature, b.Version)
	}
	if b.Namespace != namespace {
		return Proof{}, fmt.Errorf("%w: it is for %.40q, not for %q", ErrSignature, b.Namespace, namespace)
	}
	digest, err := digest(b.Hash, message)
	if err != nil {
		return Proof{}, err
	}
	key, err := ssh.ParsePublicKey(b.Key)
	if err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	signed := ssh.Marshal(preimage{b.Namespace, b.Reserved, b.Hash, digest})
	return verify(key, append([]byte(magic), signed...), b.Signature)
}

// digest hashes the message by one of the two algorithms that the format has.
func digest(algorithm string, message []byte) ([]byte, error) {
	switch algorithm {
	case "sha256":
		sum := sha256.Sum256(message)
		return sum[:], nil
	case "sha512":
		sum := sha512.Sum512(message)
		return sum[:], nil
	}
	return nil, fmt.Errorf("%w: its hash is %.20q", ErrSignature, algorithm)
}

// IsSignature tells a signature from other words: armored, or the base64 within on one line, it begins with SSHSIG.
func IsSignature(word string) bool {
	return strings.HasPrefix(word, armorBegin) || strings.HasPrefix(word, base64.StdEncoding.EncodeToString([]byte(magic)))
}

// Armored puts a signature that came as one line between the lines that ssh-keygen writes around it.
func Armored(word string) []byte {
	if strings.HasPrefix(word, armorBegin) {
		return []byte(word)
	}
	return []byte(armorBegin + "\n" + word + "\n" + armorEnd + "\n")
}

// unarmor takes the signature out of its text. Nothing stands before or after it but space.
func unarmor(armored []byte) ([]byte, error) {
	if len(armored) > maxArmored {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrSignature, maxArmored)
	}
	text, begins := bytes.CutPrefix(bytes.TrimSpace(armored), []byte(armorBegin))
	text, ends := bytes.CutSuffix(text, []byte(armorEnd))
	if !begins || !ends {
		return nil, fmt.Errorf("%w: it is not what ssh-keygen -Y sign writes, from %s to %s", ErrSignature, armorBegin, armorEnd)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(string(bytes.Join(bytes.Fields(text), nil)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return raw, nil
}
