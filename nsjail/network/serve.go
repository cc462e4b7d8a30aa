package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// Config is what forkgate-net is told.
type Config struct {
	RunDir string   // where pods have their specs, and this service its own things
	Socket *os.File // a listening SOCK_SEQPACKET socket
	Range  string   // addresses of pods
	Range6 string   // those of IPv6; empty: pods have none
	Log    *slog.Logger
	Ready  func() error // tells the service manager

	beforeLinux617 bool // have it forward IPv6 as kernels did then
}

// Check looks at the ranges alone: what is wrong with them starting again does not mend.
func (c Config) Check() error {
	_, err := newPlan(c.Range, c.Range6)
	return err
}

// Serve keeps the rules until ctx ends. Pods that run then keep theirs; where there are none, nothing stays.
func Serve(ctx context.Context, c Config) error {
	listener, err := wire.NewListener(c.Socket)
	if err != nil {
		return err
	}
	defer listener.Close()
	p, err := c.plan()
	if err != nil {
		return err
	}
	s := &service{plan: p, log: c.Log, runDir: c.RunDir, pods: map[int]*tenant{}, families: families(p, c.beforeLinux617)}
	changed := make(chan struct{}, 1)
	// Watched before anything is loaded, so that no change slips in between.
	for protocol, groups := range map[int][]int{unix.NETLINK_NETFILTER: tableGroups, unix.NETLINK_ROUTE: p.routeGroups()} {
		w, err := watch(protocol, groups, changed)
		if err != nil {
			return err
		}
		defer w.close()
	}
	// Before the rules, so that what is known of nftables then is what is there. Pods that run have rules already.
	f, err := raiseFence()
	if err != nil {
		return err
	}
	defer f.close()
	if err := s.begin(); err != nil {
		return err
	}
	if err := c.Ready(); err != nil {
		return err
	}
	connections := s.accept(ctx, listener)
	s.keep(ctx, changed)
	listener.Close()
	connections.Wait()
	return s.leave()
}

// plan is what the ranges come to. A kernel without IPv6 is no reason for pods to have no network at all.
func (c Config) plan() (plan, error) {
	p, err := newPlan(c.Range, c.Range6)
	if err == nil && p.six() {
		if _, err := os.Stat(sysctl("ipv6", everyInterface, "forwarding")); err != nil {
			c.Log.Warn("this kernel has no IPv6, and pods have none either; boot it without ipv6.disable=1, or leave --range6 out", "range6", c.Range6)
			p.pods6 = netip.Prefix{}
		}
	}
	return p, err
}

// begin loads the table with the pods that are there already.
func (s *service) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.families {
		// With the first load, or pods that run would be cut off until the next.
		if err := f.look(); err != nil {
			return err
		}
	}
	if err := errors.Join(s.recall(), s.adopt()); err != nil {
		return err
	}
	if err := s.load(); err != nil {
		return err
	}
	s.settle()
	return nil
}

// settle brings what is around the table in line with the pods that there are. What does not work is tried again with the next
// change; the rules deny in the meantime.
func (s *service) settle() {
	if err := s.forward(); err != nil {
		s.log.Error("pods may have no way out", "err", err)
	}
	s.befriend()
}

// calm is how long changes are collected: one command of an operator makes many.
const calm = 20 * time.Millisecond

// keep puts right what others change.
func (s *service) keep(ctx context.Context, changed <-chan struct{}) {
	var again <-chan time.Time // set while the rules are not what they should be
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
		}
		again = nil
		s.mu.Lock()
		if err := s.restore(); err != nil {
			s.log.Error("cannot restore the rules", "err", err)
			again = time.After(time.Second)
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(calm):
		}
		s.mu.Lock()
		s.forgetGone()
		s.settle()
		s.mu.Unlock()
	}
}

// leave removes everything if no pod runs. Pods that do are not to lose their network to a restart.
func (s *service) leave() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.pods {
		t.owner = nil // nobody is heard any more: a pod is there if its link is
	}
	s.forgetGone()
	if len(s.pods) > 0 {
		s.log.Info("pods run: their rules stay")
		return nil
	}
	s.settle()
	return nft("add table inet forkgate\ndelete table inet forkgate\n")
}

// accept serves each connection until it ends, or ctx does. Who waits on what it returns waits for all of them.
func (s *service) accept(ctx context.Context, l *wire.Listener) *sync.WaitGroup {
	all := new(sync.WaitGroup)
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, os.ErrClosed) {
				return
			}
			if err != nil { // out of descriptors: they come back
				s.log.Error("cannot take a connection", "err", err)
				time.Sleep(calm)
				continue
			}
			all.Go(func() { s.serve(ctx, conn) })
		}
	})
	return all
}

// patience is for one message.
const patience = 10 * time.Second

// serve hears what a supervisor wants, and stays until it hangs up. When this service ends, the pod does not.
func (s *service) serve(ctx context.Context, conn *wire.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(patience))
	u, err := hear(conn)
	if err != nil {
		s.log.Warn("a connection that is none of a pod's", "err", err)
		return
	}
	l, err := s.open(u, conn)
	if err != nil {
		s.log.Warn("a pod gets no network", "pod", u.GUID, "err", err)
		_ = conn.Send(0, wire.Refused, wire.Refusal{Error: err.Error()})
		return
	}
	err = conn.Send(0, wire.Granted, l)
	_ = conn.SetDeadline(time.Time{})
	if err == nil {
		_, files, _ := conn.Receive() // nothing more is to come
		wire.CloseAll(files)
	}
	if ctx.Err() == nil {
		s.close(conn)
	}
}

// hear takes the one message of a supervisor, which is root.
func hear(conn *wire.Conn) (u up, err error) {
	peer, err := conn.Peer()
	if err != nil {
		return u, err
	}
	if peer.Uid != 0 {
		return u, fmt.Errorf("user %d has no say in it", peer.Uid)
	}
	m, files, err := conn.Receive()
	wire.CloseAll(files)
	if err != nil {
		return u, err
	}
	if err := wire.Net().Admit(conn, m); err != nil {
		return u, err
	}
	if m.Type != typeUp {
		return u, fmt.Errorf("%w: %.40q", wire.ErrMalformed, m.Type)
	}
	return u, m.Decode(&u)
}
