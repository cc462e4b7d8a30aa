package warden

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"forkgate/gate"
	"forkgate/gate/audit"
	"forkgate/gate/enrolled"
	"forkgate/nsjail/wire"
)

// Record is where the warden writes what it does before it does it. *audit.Log is one.
type Record interface {
	gate.Log
	Verb(session string, r gate.Request) error
	Refused(session string, r gate.Request, why string) error
	Grant(session string, r gate.Request, what string) error
	Started(session string, r gate.Request) error
	Revoked(session string, r gate.Request, d gate.Decision) error
	Ended(session string, r gate.Request, how audit.End) error
	Untaped(session string, r gate.Request, why string) error
	File(session string, r gate.Request, op gate.FileOperation) error
	Files(session string, r gate.Request, many int)
	Unfollowed(session string, r gate.Request, why string) error
	Egress(r gate.Request, host string, port uint16, why string, count int) error
	Login(session string, who audit.Login) error
	Service(what string) error
	State() audit.State
	Settle() error // returns once all that was written before is on the disk
}

// SecurityKeys is where enrolled keys are kept. *enrolled.Record is one.
type SecurityKeys interface {
	Find(ssh.PublicKey) (enrolled.Key, bool)
	All() []enrolled.Key
	Add(enrolled.Key) error
	Remove(name string) error
}

// Warden answers peers.
type Warden struct {
	keys     HostKeys
	nextKeys HostKeys // that are to follow them
	// Those that were there before: they sign for connections that know them still, and are shown to nobody.
	retiredKeys HostKeys

	certificates []*ssh.Certificate // of keys
	rules        *rules
	log          Record
	trees        Trees
	pods         *pods
	gates        map[role]*gate.Gate[*opened]
	sshd         func(*wire.Conn) error // says why the peer is nothing that sshd has started

	audience    audience
	messages    map[string]message
	words       map[string]func(context.Context, *word) (page, error)
	turns       *turns
	pace        pace
	connections map[role]*limit[uint32]
	logins      *limit[login]
	serials     *serials
	transfers   transfers
	strangers   *rate.Limiter
	enrolled    SecurityKeys
	granter     *granter // nil: nothing can be approved
	metrics     *metrics

	lastRequests time.Duration // how long it goes on with what is under way when it stops

	version     string
	host        string // which gate this is, to who signs
	policyPlace string
	since       time.Time
	now         func() time.Time
	journal     *slog.Logger
}

// newWarden puts the parts together that come from elsewhere.
func newWarden(keys HostKeys, rules *rules, log Record, trees Trees, pods *pods, securityKeys SecurityKeys, journal *slog.Logger) *Warden {
	m := newMetrics()
	log = counted{discreet{log, rules.Redactions}, m}
	pods.metrics = m
	w := &Warden{
		metrics: m, keys: keys, rules: rules, log: log, trees: trees, pods: pods, enrolled: securityKeys, journal: journal,
		gates: map[role]*gate.Gate[*opened]{}, sshd: startedBySSHD,
		messages: messages(), words: words(),
		turns: newTurns(), connections: map[role]*limit[uint32]{},
		logins: boundedBy[login](func() int { return rules.Connections().Principal }), serials: newSerials(rules.now), strangers: newStrangers(),
		since: rules.now(), now: rules.now, lastRequests: lastRequests,
	}
	pods.agentEnters, pods.record = w.reconsiderAgents, log.Service
	for role, standing := range standings() {
		b := bounded{rules, standing}
		t := timed{b, evicting{forks{trees, pods.visits}, w}, m}
		w.gates[role] = &gate.Gate[*opened]{Witness: b, Judge: t, Log: log, Forks: t, Pods: pods}
		w.connections[role] = newLimit[uint32](standing.connections)
	}
	m.watch(w)
	return w
}

// serve accepts peers on a socket until ctx ends, and returns when the last of them has been dealt with. Who comes then waits for the next warden.
func (w *Warden) serve(ctx context.Context, l *wire.Listener, s Socket) {
	var peers sync.WaitGroup
	defer peers.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil && ctx.Err() != nil {
			return
		}
		if err != nil {
			// Out of descriptors, most likely: what is open must be let go on, so waiting is all there is to do.
			w.journal.Error("cannot accept a connection", "error", err)
			if !pause(ctx, 100*time.Millisecond) {
				return
			}
			continue
		}
		peers.Go(func() {
			defer conn.Close()
			if err := w.welcome(ctx, conn, s); err != nil {
				w.journal.Warn("a connection was ended", "error", err)
			}
		})
	}
}

// welcome finds out who a peer is and talks to it, if it is anybody.
func (w *Warden) welcome(ctx context.Context, conn *wire.Conn, s Socket) error {
	cred, err := conn.Peer()
	if err != nil {
		return fmt.Errorf("cannot tell who connected: %w", err)
	}
	role := s.role(cred)
	if role == account && w.rules.account(cred.Uid) == "" {
		role = nobody
	}
	if role == nobody {
		return fmt.Errorf("pid %d of uid %d is nobody here", cred.Pid, cred.Uid)
	}
	release, ok := w.connections[role].take(cred.Uid)
	if !ok {
		return fmt.Errorf("uid %d has %d connections already", cred.Uid, role.standing().connections)
	}
	defer release()
	c := &connection{Warden: w, gate: w.gates[role], conn: conn, role: role, uid: cred.Uid, arrived: w.now()}
	leave := w.audience.join(c)
	err = c.serve(ctx)
	leave() // from here on nothing more is said
	conn.Close()
	c.saying.Wait()
	if c.logout != nil {
		c.logout()
	}
	if err != nil {
		return fmt.Errorf("pid %d of uid %d, as %s: %w", cred.Pid, cred.Uid, role, err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
