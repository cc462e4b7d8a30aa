package provenance

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// StatementOption is the critical option of a certificate that holds the statement. A program that does not know it must
	// refuse the certificate (OpenSSH PROTOCOL.certkeys).
	StatementOption = "statement@forkgate"
	// Lifetime is how long a certificate is good for.
	Lifetime = 60 * time.Second
	// MaxSkew is by how much the clocks of attestor and gate may differ.
	MaxSkew = 60 * time.Second
)

// Connection is what a certificate is bound to.
type Connection struct {
	SessionID []byte        // RFC 4253 section 7.2
	HostKey   ssh.PublicKey // which signed it
}

// complete reports whether there is something to be bound to.
func (c Connection) complete() bool { return len(c.SessionID) > 0 && c.HostKey != nil }

// Mint makes the certificate that carries a statement for one connection, and the one signer of it, whose key is nowhere else.
// The statement's session and host key are set to the connection's.
func Mint(random io.Reader, ca ssh.Signer, principal string, s Statement, c Connection, now time.Time) (ssh.Signer, error) {
	if principal == "" || !c.complete() {
		return nil, fmt.Errorf("cannot mint a certificate: it has no principal, or no connection to be bound to")
	}
	s.Session, s.HostKey = hex.EncodeToString(c.SessionID), ssh.FingerprintSHA256(c.HostKey)
	statement, err := s.Encode()
	if err != nil {
		return nil, fmt.Errorf("cannot mint a certificate: %w", err)
	}
	_, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("cannot mint a certificate: %w", err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, fmt.Errorf("cannot mint a certificate: %w", err)
	}
	var serial [8]byte
	if _, err := io.ReadFull(random, serial[:]); err != nil {
		return nil, fmt.Errorf("cannot mint a certificate: %w", err)
	}
	cert := &ssh.Certificate{
		Key: key.PublicKey(), Serial: binary.BigEndian.Uint64(serial[:]), CertType: ssh.UserCert, KeyId: "forkgate-attest",
		ValidPrincipals: []string{principal}, ValidAfter: uint64(now.Unix()), ValidBefore: uint64(now.Add(Lifetime).Unix()),
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{StatementOption: string(statement)}},
	}
	if err := cert.SignCert(random, ca); err != nil {
		return nil, fmt.Errorf("cannot mint a certificate: %w", err)
	}
	return ssh.NewCertSigner(cert, key)
}
