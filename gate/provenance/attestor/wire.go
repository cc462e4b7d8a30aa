package attestor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// Messages of the agent protocol, draft-ietf-sshm-ssh-agent section 6.1.
const (
	messageFailure   = 5
	messageSuccess   = 6
	messageExtension = 27

	bindExtension   = "session-bind@openssh.com" // OpenSSH PROTOCOL.agent, section 1
	whoamiExtension = "whoami@forkgate"          // ours: success, and then a Report in JSON

	maxMessage = 256 << 10 // as in OpenSSH's ssh-agent.c, AGENT_MAX_LEN
)

var errMalformed = errors.New("malformed")

// readMessage reads one message, without its length.
func readMessage(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n == 0 || n > maxMessage {
		return nil, fmt.Errorf("%w: a message of %d bytes", errMalformed, n)
	}
	message := make([]byte, n)
	_, err := io.ReadFull(r, message)
	return message, err
}

// framed is a message with its length.
func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
}

// extension reads a message as an extension's.
func extension(message []byte) (name string, contents []byte, ok bool) {
	var m struct {
		Name     string `sshtype:"27"`
		Contents []byte `ssh:"rest"`
	}
	if len(message) == 0 || message[0] != messageExtension || ssh.Unmarshal(message, &m) != nil {
		return "", nil, false
	}
	return m.Name, m.Contents, true
}

// binding says which connection a client is about to log in on.
type binding struct {
	hostKey   ssh.PublicKey
	sessionID []byte
	forwarded bool // the agent is lent to that host, rather than used for logging in there
}

// parseBinding reads session-bind@openssh.com. The host has signed the session id, so nobody can have made it up.
func parseBinding(contents []byte) (binding, error) {
	var m struct {
		HostKey, SessionID, Signature []byte
		Forwarded                     bool
	}
	if err := ssh.Unmarshal(contents, &m); err != nil {
		return binding{}, fmt.Errorf("%w: %w", errMalformed, err)
	}
	key, err := ssh.ParsePublicKey(m.HostKey)
	if err != nil {
		return binding{}, fmt.Errorf("%w: %w", errMalformed, err)
	}
	var signature ssh.Signature
	if err := ssh.Unmarshal(m.Signature, &signature); err != nil {
		return binding{}, fmt.Errorf("%w: %w", errMalformed, err)
	}
	if len(m.SessionID) == 0 {
		return binding{}, fmt.Errorf("%w: no session id", errMalformed)
	}
	if err := key.Verify(m.SessionID, &signature); err != nil {
		return binding{}, fmt.Errorf("the host has not signed the session id: %w", err)
	}
	return binding{hostKey: key, sessionID: m.SessionID, forwarded: m.Forwarded}, nil
}

// checkUserauth says why data is not the login on this connection with this certificate: RFC 4252 section 7, and OpenSSH's
// PROTOCOL, section 3.1, for publickey-hostbound-v00@openssh.com.
func checkUserauth(data []byte, b binding, certificate []byte) error {
	var m struct {
		SessionID             []byte
		Type                  byte
		User, Service, Method string
		Signed                bool
		Algorithm             string
		Key                   []byte
		Rest                  []byte `ssh:"rest"`
	}
	const userauthRequest = 50
	if err := ssh.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("%w: not a login: %w", errMalformed, err)
	}
	switch {
	case m.Type != userauthRequest || m.Service != "ssh-connection" || !m.Signed:
		return errors.New("not a login")
	case !bytes.Equal(m.SessionID, b.sessionID):
		return errors.New("a login on another connection")
	case !bytes.Equal(m.Key, certificate) || m.Algorithm != ssh.CertAlgoED25519v01:
		return errors.New("a login with another key")
	}
	switch m.Method {
	case "publickey":
		if len(m.Rest) > 0 {
			return fmt.Errorf("%w: something stands behind the login", errMalformed)
		}
		return nil
	case "publickey-hostbound-v00@openssh.com":
		var bound struct{ HostKey []byte }
		if err := ssh.Unmarshal(m.Rest, &bound); err != nil {
			return fmt.Errorf("%w: %w", errMalformed, err)
		}
		if !bytes.Equal(bound.HostKey, b.hostKey.Marshal()) {
			return errors.New("a login on another host")
		}
		return nil
	}
	return fmt.Errorf("a login by %.40q", m.Method)
}
