package egress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"regexp"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"forkgate/nsjail/wire"
)

// Resolver looks names up. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config is what forkgate-egress is told.
type Config struct {
	Socket   *os.File // a listening SOCK_SEQPACKET socket, at which root alone can speak
	Resolver Resolver
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // with a Control of Bounded
	Outside  func(netip.Addr) (bool, error)                                       // see there
	Denied   func(context.Context, []Denied) (told int, err error)                // tells the record, of the first of them at least
	Log      *slog.Logger
	Ready    func() error // tells the service manager
}

// Serve lets pods out until ctx ends. They keep their sockets, and come again.
func Serve(ctx context.Context, c Config) error {
	listener, err := wire.NewListener(c.Socket)
	if err != nil {
		return err
	}
	defer listener.Close()
	s := &service{Config: c, denials: newDenials()}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all.Go(func() { s.denials.keep(ctx, c.Denied, c.Log) })
	if err := c.Ready(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for failing := false; ; {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, os.ErrClosed):
			return err
		case err != nil: // out of descriptors: they come back
			if !failing {
				c.Log.Error("cannot take a connection", "err", err)
			}
			failing = true
			time.Sleep(pause)
			continue
		}
		failing = false
		all.Go(func() { s.hear(ctx, conn) })
	}
}

const pause = 20 * time.Millisecond

// patience is for one message.
const patience = 10 * time.Second

// service is forkgate-egress.
type service struct {
	Config
	denials *denials
}

// hear serves the pod of a supervisor for as long as that is there.
func (s *service) hear(ctx context.Context, conn *wire.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(patience))
	p, err := s.pod(conn)
	if err != nil {
		s.Log.Warn("a pod reaches no names", "err", err)
		_ = conn.Send(0, wire.Refused, wire.Refusal{Error: err.Error()})
		return
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer cancel() // first
	serving.Go(func() { p.answer(ctx) })
	serving.Go(func() { p.accept(ctx) })
	if conn.Send(0, wire.Granted, struct{}{}) == nil {
		_ = conn.SetDeadline(time.Time{})
		_, files, _ := conn.Receive() // nothing more is to come
		wire.CloseAll(files)
	}
}

var guidForm = regexp.MustCompile(`^[0-9a-f-]{1,64}$`)

// pod is one that is served.
type pod struct {
	*service
	guid        string
	places      places
	connections *net.TCPListener
	questions   net.PacketConn
	room        chan struct{} // for connections
	calls       *rate.Limiter // how fast it makes new ones
	asks        *rate.Limiter // and asks for names: each may be a question of the host's resolver
}

// Caps of one pod.
const (
	maxConnections = 128 // at a time
	perSecond      = 64
	burst          = 256
)

// pod takes the one message of a supervisor.
func (s *service) pod(conn *wire.Conn) (*pod, error) {
	peer, err := conn.Peer()
	if err != nil {
		return nil, err
	}
	if peer.Uid != 0 {
		return nil, fmt.Errorf("user %d has no say in it", peer.Uid)
	}
	m, files, err := conn.Receive()
	defer wire.CloseAll(files)
	if err != nil {
		return nil, err
	}
	if err := wire.Egress().Admit(conn, m); err != nil {
		return nil, err
	}
	var u up
	if err := m.Decode(&u); err != nil || m.Type != typeUp || len(files) != 2 || !guidForm.MatchString(u.GUID) {
		return nil, fmt.Errorf("%w: %.40q: %w", wire.ErrMalformed, m.Type, errors.Join(err))
	}
	p := &pod{service: s, guid: u.GUID, room: make(chan struct{}, maxConnections), calls: rate.NewLimiter(perSecond, burst), asks: rate.NewLimiter(perSecond, burst)}
	if p.places, err = parsePlaces(u.Names); err != nil {
		return nil, err
	}
	listener, err := net.FileListener(files[0])
	if err != nil {
		return nil, err
	}
	var ok bool
	if p.connections, ok = listener.(*net.TCPListener); !ok {
		return nil, errors.Join(fmt.Errorf("%w: no socket of TCP", wire.ErrMalformed), listener.Close())
	}
	if p.questions, err = net.FilePacketConn(files[1]); err != nil {
		return nil, errors.Join(err, p.connections.Close())
	}
	return p, nil
}

// maxHost is more than a name has. What was said instead of one can be anything, and long.
const maxHost = 256

// deny notes what is not let out.
func (p *pod) deny(host string, port uint16, why string) {
	p.denials.add(Denied{GUID: p.guid, Host: host[:min(len(host), maxHost)], Port: port, Why: why})
}
