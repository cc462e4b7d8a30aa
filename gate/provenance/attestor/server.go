package attestor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"forkgate/gate/provenance"
	"forkgate/gate/provenance/chain"
)

// Options are what a daemon is started with.
type Options struct {
	Config Config
	Agents []provenance.Agent
	Key    ssh.Signer
	Listen *net.UnixListener
	Socket string // its path, to which nothing is relayed
	Sys    fs.FS  // /proc/sys
	Log    *slog.Logger
	Ready  func() error // called when the daemon watches and listens

	// What is loaded takes the place of Config and Agents, whenever Reload says so. What does not load leaves them as they are.
	Load   func() (Config, []provenance.Agent, error)
	Reload <-chan os.Signal
}

const (
	maxCallers = 512              // connections at once, in all
	maxPerUser = 128              // and of one uid
	patience   = 10 * time.Second // for a caller's next message, and for it to take ours
	loginTime  = 2 * time.Minute  // for a login with a certificate; that is good for less
)

// server answers callers.
type server struct {
	in       atomic.Pointer[inForce]
	key      ssh.Signer
	socket   string
	proc     fs.FS
	own      chain.Namespaces
	settings *settings
	watch    *watch
	answered answered
	log      *slog.Logger

	mu      sync.Mutex
	callers map[uint32]int
	all     int
}

// Serve answers callers until ctx ends. The listener is closed then.
func Serve(ctx context.Context, o Options) error {
	proc := os.DirFS("/proc")
	own, err := namespacesOf(proc, os.Getpid())
	if err != nil {
		return fmt.Errorf("cannot look at the attestor's own process: %w", err)
	}
	w, silent := newWatch(proc, o.Agents, marker(o.Log))
	defer w.close()
	if silent != nil {
		o.Log.Warn("processes are not watched, so that no chain can be a person's unless the configuration says events = \"optional\"", "error", silent)
	}
	s := &server{
		key: o.Key, socket: o.Socket, proc: proc, own: own, settings: &settings{sys: o.Sys}, watch: w, log: o.Log,
		answered: answered{by: map[caller]bool{}}, callers: map[uint32]int{},
	}
	s.use(o.Config, o.Agents)
	s.log.Info("watching", "gates", len(o.Config.Gates), "agents", len(o.Agents), "events", silent == nil, "protections", s.settings.held())
	var running sync.WaitGroup
	defer running.Wait() // the watch is closed after that
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running.Go(func() { w.run(ctx) })
	running.Go(func() { s.heed(ctx, o) })
	stop := context.AfterFunc(ctx, func() { o.Listen.Close() })
	defer stop()
	if o.Ready != nil {
		if err := o.Ready(); err != nil {
			return err
		}
	}
	return s.accept(ctx, o.Listen, &running)
}

func (s *server) accept(ctx context.Context, l *net.UnixListener, running *sync.WaitGroup) error {
	for {
		c, err := l.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			s.log.Error("cannot accept a caller", "error", err)
			select { // out of descriptors, for a while
			case <-time.After(100 * time.Millisecond):
				continue
			case <-ctx.Done():
				return nil
			}
		}
		running.Go(func() {
			defer c.Close()
			stop := context.AfterFunc(ctx, func() { c.Close() })
			defer stop()
			if err := s.serve(ctx, c); err != nil && !errors.Is(err, io.EOF) {
				s.log.Warn("a caller was not served", "error", err)
			}
		})
	}
}

// enter counts a caller in, unless there are too many.
func (s *server) enter(uid uint32) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxCallers || s.callers[uid] >= maxPerUser {
		return nil, false
	}
	s.all++
	s.callers[uid]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.callers[uid]--; s.callers[uid] == 0 {
			delete(s.callers, uid)
		}
	}, true
}

// serve talks with one caller. Its first message says what it wants.
func (s *server) serve(ctx context.Context, c *net.UnixConn) error {
	p, err := identify(c)
	if err != nil {
		return err
	}
	defer p.close()
	leave, ok := s.enter(p.uid)
	if !ok {
		return fmt.Errorf("too many callers, process %d of uid %d is one too many", p.pid, p.uid)
	}
	defer leave()
	c.SetDeadline(time.Now().Add(patience))
	first, err := readMessage(c)
	if err != nil {
		return err
	}
	name, contents, _ := extension(first)
	switch name {
	case whoamiExtension:
		return s.whoami(c, p)
	case bindExtension:
		b, err := parseBinding(contents)
		if err != nil {
			return errors.Join(err, write(c, []byte{messageFailure}))
		}
		if g, enrolled := s.in.Load().config.gateOf(b.hostKey); enrolled {
			return s.serveGate(c, p, g, b)
		}
	}
	s.answered.first(p) // who has spoken of other hosts, or of none, speaks for no gate later
	return s.relay(ctx, c, p, first)
}

func (s *server) whoami(c net.Conn, p peer) error {
	report := s.judge(p)
	if report.Override != nil && report.Override.Refused != "" {
		report.Override = nil // whoever asks may be the agent that has set it, and is told nothing of what would count
	}
	if report.Verdict == provenance.ByAgent && p.uid != 0 {
		// Nor by what it was known. The journal has that of each certificate.
		report.Reasons = []string{"an agent is among these processes, or one of them was started by it; root finds by what it is known in journalctl -u forkgate-attest"}
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	return write(c, append([]byte{messageSuccess}, text...))
}

// serveGate is the agent for a gate.
func (s *server) serveGate(c net.Conn, p peer, g Gate, b binding) error {
	a := &gateAgent{binding: b, log: func(message string, err error) {
		s.log.Warn(message, "pid", p.pid, "uid", p.uid, "gate", g.Name, "error", err)
	}}
	signer, err := s.certify(p, g, b)
	if err != nil {
		// The connection stays: what is closed here, ssh would take for an agent that is not there.
		a.log("no certificate", err)
	}
	a.signer = signer
	if err := write(c, []byte{messageSuccess}); err != nil {
		return err
	}
	c.SetDeadline(time.Now().Add(loginTime))
	for {
		message, err := readMessage(c)
		if err != nil {
			return err
		}
		// The library reads messages of any length, so it gets them one by one.
		one := struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(framed(message)), c}
		if err := agent.ServeAgent(a, one); !errors.Is(err, io.EOF) {
			return err
		}
	}
}

func write(c net.Conn, message []byte) error {
	_, err := c.Write(framed(message))
	return err
}

func mint(s *server, principal string, r Report, uid uint32, sessionID []byte, hostKey ssh.PublicKey) (ssh.Signer, error) {
	to := provenance.Connection{SessionID: sessionID, HostKey: hostKey}
	return provenance.Mint(rand.Reader, s.key, principal, r.statement(uid), to, time.Now())
}
