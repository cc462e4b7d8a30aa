package attest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"forkgate/gate/provenance"
	"forkgate/tests/keys"
)

// gate is a server that verifies certificates as a gate has to, lets in who has one, or a key that it knows, and answers each command
// with what came with the connection. Asked for an agent it lists that agent's keys.
type gate struct {
	key  ssh.Signer
	port int

	mu        sync.Mutex
	attestors []provenance.Attestor
	known     []ssh.PublicKey
	used      map[uint64]bool
	refused   []error
	borrowed  func(agent.ExtendedAgent) // what to do with a forwarded agent
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{key: keys.New(t), used: map[uint64]bool{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	g.port = l.Addr().(*net.TCPAddr).Port
	var running sync.WaitGroup
	t.Cleanup(func() { l.Close(); running.Wait() })
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { g.serve(c) })
		}
	})
	return g
}

func (g *gate) know(a provenance.Attestor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.attestors = []provenance.Attestor{a}
}

// Use is provenance.Serials.
func (g *gate) Use(_ string, serial uint64, _ time.Time) bool {
	fresh := !g.used[serial]
	g.used[serial] = true
	return fresh
}

// judge says who has signed in.
func (g *gate) judge(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var a answer
	if cert, ok := key.(*ssh.Certificate); ok {
		attested, err := provenance.Verify(cert, g.attestors, provenance.Connection{SessionID: c.SessionID(), HostKey: g.key.PublicKey()}, g, time.Now())
		if err != nil {
			g.refused = append(g.refused, err)
			return nil, err
		}
		a.Attested = attested
	} else {
		a.Key = ssh.FingerprintSHA256(key)
	}
	text, err := json.Marshal(a)
	return &ssh.Permissions{ExtraData: map[any]any{"answer": text}}, err
}

func (g *gate) offered(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := key.(*ssh.Certificate); ok {
		return &ssh.Permissions{}, nil
	}
	for _, k := range g.known {
		if string(k.Marshal()) == string(key.Marshal()) {
			return &ssh.Permissions{}, nil
		}
	}
	return nil, errors.New("unknown")
}

func (g *gate) serve(c net.Conn) {
	defer c.Close()
	config := &ssh.ServerConfig{
		PublicKeyCallback: g.offered,
		VerifiedPublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
			return g.judge(c, key)
		},
	}
	config.AddHostKey(g.key)
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		g.session(conn, channel, requests)
	}
}

func (g *gate) session(conn *ssh.ServerConn, channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	for r := range requests {
		if r.Type == "auth-agent-req@openssh.com" {
			r.Reply(true, nil)
			g.borrow(conn)
			continue
		}
		if r.Type != "exec" && r.Type != "shell" {
			r.Reply(r.Type == "pty-req" || r.Type == "env", nil)
			continue
		}
		r.Reply(true, nil)
		text, _ := conn.Permissions.ExtraData["answer"].([]byte)
		fmt.Fprintf(channel, "%s\n", text)
		channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{}))
		return
	}
}

// borrow uses the client's agent, as a hostile host would.
func (g *gate) borrow(conn *ssh.ServerConn) {
	channel, requests, err := conn.OpenChannel("auth-agent@openssh.com", nil)
	if err != nil {
		return
	}
	defer channel.Close()
	go ssh.DiscardRequests(requests)
	g.mu.Lock()
	use := g.borrowed
	g.mu.Unlock()
	if use != nil {
		use(agent.NewClient(channel))
	}
}
