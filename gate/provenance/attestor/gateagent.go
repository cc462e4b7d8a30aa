package attestor

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// errNot is the answer to all that this agent does not do. ssh is told nothing but that it failed.
var errNot = errors.New("this agent signs one login on one connection, and does nothing else")

// gateAgent is the agent of one connection to one gate: it holds one key, which signs once.
type gateAgent struct {
	binding binding
	signer  ssh.Signer // nil where the caller gets no certificate
	signed  bool
	log     func(message string, err error)
}

// List lists the certificate and nothing else: of several keys ssh would offer ordinary ones first.
func (a *gateAgent) List() ([]*agent.Key, error) {
	if a.signer == nil {
		return nil, nil
	}
	key := a.signer.PublicKey()
	return []*agent.Key{{Format: key.Type(), Blob: key.Marshal(), Comment: "forkgate-attest"}}, nil
}

// SignWithFlags signs the login on this connection, once. The flags choose among RSA's hashes.
func (a *gateAgent) SignWithFlags(key ssh.PublicKey, data []byte, _ agent.SignatureFlags) (*ssh.Signature, error) {
	if a.signer == nil || a.signed || !bytes.Equal(key.Marshal(), a.signer.PublicKey().Marshal()) {
		return nil, errNot
	}
	if err := checkUserauth(data, a.binding, key.Marshal()); err != nil {
		a.log("asked to sign what is not this connection's login", err)
		return nil, err
	}
	a.signed = true
	return a.signer.Sign(rand.Reader, data)
}

// Sign is SignWithFlags.
func (a *gateAgent) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return a.SignWithFlags(key, data, 0)
}

// Extension refuses: the connection is bound already, and is bound once.
func (a *gateAgent) Extension(string, []byte) ([]byte, error) { return nil, errNot }

func (a *gateAgent) Add(agent.AddedKey) error       { return errNot }
func (a *gateAgent) Remove(ssh.PublicKey) error     { return errNot }
func (a *gateAgent) RemoveAll() error               { return errNot }
func (a *gateAgent) Lock([]byte) error              { return errNot }
func (a *gateAgent) Unlock([]byte) error            { return errNot }
func (a *gateAgent) Signers() ([]ssh.Signer, error) { return nil, errNot }

// certify makes the certificate for a caller that has bound its connection to a gate, or says why there is none.
func (s *server) certify(p peer, g Gate, b binding) (ssh.Signer, error) {
	if b.forwarded {
		return nil, errors.New("the agent is forwarded: whoever asks sits on another machine")
	}
	principal, ok := g.uids[p.uid]
	if !ok {
		return nil, fmt.Errorf("the configuration names no principal for uid %d", p.uid)
	}
	if err := p.isSSH(s.in.Load().config.SSH); err != nil {
		return nil, err
	}
	if !s.answered.first(p) {
		return nil, fmt.Errorf("process %d was answered before", p.pid)
	}
	report := s.judge(p)
	if len(report.Chain) == 0 {
		return nil, fmt.Errorf("cannot tell whose process %d is: %v", p.pid, report.Reasons)
	}
	hostKey := b.hostKey
	if cert, ok := hostKey.(*ssh.Certificate); ok {
		hostKey = cert.Key
	}
	s.log.Info("attested", "pid", p.pid, "uid", p.uid, "gate", g.Name, "principal", principal, "verdict", report.Verdict.String(),
		"agent", report.Agent, "reasons", strings.Join(report.Reasons, "; "))
	return mint(s, principal, report, p.uid, b.sessionID, hostKey)
}
