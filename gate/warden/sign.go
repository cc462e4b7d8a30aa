package warden

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/warden/client"
)

// isExchangeHash reports whether data may be an exchange hash (RFC 4253, section 8), which is as long as the hash of its key exchange: those that doors
// offer have SHA-256, SHA-384 and SHA-512. Nothing else is signed: a host key that signs what it is given could as well sign a userauth request, which is
// longer, or an SSHSIG, which need not be: one by SHA-256 for the namespace "file" has 64 bytes, and is known by its beginning.
func isExchangeHash(data []byte) bool {
	return (len(data) == 32 || len(data) == 48 || len(data) == 64) && !bytes.HasPrefix(data, []byte("SSHSIG"))
}

// An exchange hash counts as a session id for this long: a handshake must be over by then. Key re-exchanges are far fewer
// than maxSigned within that time.
const (
	signedFor = time.Minute
	maxSigned = 16
)

// signed is what the host keys signed lately on one connection.
type signed []signature

type signature struct {
	hash []byte
	key  ssh.PublicKey
	at   time.Time
}

func (s *signed) add(hash []byte, key ssh.PublicKey, now time.Time) {
	*s = append(*s, signature{bytes.Clone(hash), key, now})
	if len(*s) > maxSigned {
		*s = (*s)[1:]
	}
}

// at is when hash was signed.
func (s signed) at(hash []byte) time.Time {
	for _, one := range s {
		if bytes.Equal(one.hash, hash) {
			return one.at
		}
	}
	return time.Time{}
}

// by returns the host key that signed hash within the last minute.
func (s signed) by(hash []byte, now time.Time) (ssh.PublicKey, bool) {
	for _, one := range s {
		if bytes.Equal(one.hash, hash) && now.Sub(one.at) <= signedFor {
			return one.key, true
		}
	}
	return nil, false
}

// sign has a host key sign an exchange hash, and remembers it.
func sign(_ context.Context, r *request, q client.SignRequest) (answer, error) {
	if !isExchangeHash(q.Data) {
		return answer{}, fmt.Errorf("cannot sign %d bytes: they are no exchange hash", len(q.Data))
	}
	// A connection from before others took their places has its next key exchange signed by what it knows.
	key, err := append(slices.Clip(r.keys), r.retiredKeys...).find(q.Key, q.Algorithm)
	if err != nil {
		return answer{}, err
	}
	signature, err := key.Sign(rand.Reader, q.Data)
	if err != nil {
		return answer{}, fmt.Errorf("cannot sign: %w", err)
	}
	r.signed.add(q.Data, key.PublicKey(), r.now())
	return answer{body: client.SignReply{Format: signature.Format, Blob: signature.Blob}}, nil
}

// proof is what is signed to prove a host key (OpenSSH's PROTOCOL, section 2.5). It begins like nothing else that a host key signs.
type proof struct {
	What      string
	SessionID []byte
	Key       []byte
}

// prove has a host key, or one that will be, sign that the host has it, for a session whose handshake was signed on this connection.
func prove(_ context.Context, r *request, q client.ProveRequest) (answer, error) {
	if r.signed.at(q.SessionID).IsZero() {
		return answer{}, errors.New("cannot prove a host key: nothing was signed for that session")
	}
	key, err := append(slices.Clip(r.keys), r.nextKeys...).find(q.Key, "")
	if err != nil {
		return answer{}, err
	}
	signature, err := key.Sign(rand.Reader, ssh.Marshal(proof{"hostkeys-prove-00@openssh.com", q.SessionID, q.Key}))
	if err != nil {
		return answer{}, fmt.Errorf("cannot sign: %w", err)
	}
	return answer{body: client.SignReply{Format: signature.Format, Blob: signature.Blob}}, nil
}

// find finds the private half of a public key. Each of our keys has one algorithm, of its own name.
func (k HostKeys) find(public []byte, algorithm string) (ssh.Signer, error) {
	for _, key := range k {
		if !bytes.Equal(key.PublicKey().Marshal(), public) {
			continue
		}
		if algorithm != "" && algorithm != key.PublicKey().Type() {
			return nil, fmt.Errorf("cannot sign by %.40q with a key for %s", algorithm, key.PublicKey().Type())
		}
		return key, nil
	}
	return nil, fmt.Errorf("cannot sign: no host key of this host was asked for")
}
