package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

// Port is where resolvers expect a name server (RFC 1035, 4.2).
const Port = 53

// Bounds for those who ask.
const (
	maxQuery  = 4096 // bytes; longer ones are none
	maxAtOnce = 64   // datagrams, and connections, that are worked on at once; more are lost
	idle      = 10 * time.Second
	perConn   = 100 // questions on one connection
)

// Config is what a pod's names are.
type Config struct {
	Hostname  string
	Resolvers []string // addresses, with a port if it is another than Port; none: what the pod does not know itself is refused
	Port      int      // Port, but in tests
}

// Server answers on every IPv4 address of the network namespace that it was started in.
type Server struct {
	hostname  string
	resolvers []netip.AddrPort
	udp       *ipv4.PacketConn
	packets   net.PacketConn
	tcp       net.Listener
	datagrams chan struct{} // as many as are worked on
	streams   chan struct{}
	cancel    context.CancelFunc
	all       sync.WaitGroup
}

// Start listens, and answers until Close. A malformed resolver is an error: without it names would be refused that should not.
func Start(c Config) (*Server, error) {
	var resolvers []netip.AddrPort
	for _, text := range c.Resolvers {
		r, err := resolver(text)
		if err != nil || r.Addr().Zone() != "" || r.Addr().Is4In6() {
			return nil, fmt.Errorf("cannot ask the resolver %q: it is no address", text)
		}
		resolvers = append(resolvers, r)
	}
	return start(c, resolvers)
}

func resolver(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a, Port), nil
	}
	return netip.ParseAddrPort(text)
}

func start(c Config, resolvers []netip.AddrPort) (_ *Server, err error) {
	s := &Server{
		hostname: c.Hostname, resolvers: resolvers,
		datagrams: make(chan struct{}, maxAtOnce), streams: make(chan struct{}, maxAtOnce),
	}
	if s.packets, err = net.ListenPacket("udp4", fmt.Sprintf(":%d", c.Port)); err != nil {
		return nil, fmt.Errorf("cannot answer names: %w", err)
	}
	// An answer has to come from the address that was asked.
	s.udp = ipv4.NewPacketConn(s.packets)
	if err := s.udp.SetControlMessage(ipv4.FlagDst, true); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot answer names: %w", err), s.packets.Close())
	}
	port := s.packets.LocalAddr().(*net.UDPAddr).Port
	if s.tcp, err = net.Listen("tcp4", fmt.Sprintf(":%d", port)); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot answer names: %w", err), s.packets.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.all.Go(func() { s.servePackets(ctx) })
	s.all.Go(func() { s.serveStreams(ctx) })
	return s, nil
}

// Close stops answering, and returns when all that was under way has ended.
func (s *Server) Close() error {
	s.cancel()
	err := errors.Join(s.packets.Close(), s.tcp.Close())
	s.all.Wait()
	return err
}

func (s *Server) servePackets(ctx context.Context) {
	packet := make([]byte, maxQuery+1)
	for {
		n, to, from, err := s.udp.ReadFrom(packet)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error of an answer's; nothing of ours
		}
		q, err := parse(packet[:n])
		if err != nil || n > maxQuery {
			continue
		}
		select {
		case s.datagrams <- struct{}{}:
		default:
			continue // it asks again
		}
		copied := append([]byte(nil), packet[:n]...)
		s.all.Go(func() {
			defer func() { <-s.datagrams }()
			s.answerPacket(ctx, q, copied, to, from)
		})
	}
}

func (s *Server) answerPacket(ctx context.Context, q query, packet []byte, to *ipv4.ControlMessage, from net.Addr) {
	answer := s.answer(ctx, q, packet)
	if len(answer) > q.Size {
		answer = q.Truncated()
	}
	if answer == nil {
		return
	}
	source := &ipv4.ControlMessage{}
	if to != nil {
		source.Src = to.Dst
	}
	_, _ = s.udp.WriteTo(answer, source, from) // who has gone does not hear it
}

func (s *Server) serveStreams(ctx context.Context) {
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(10 * time.Millisecond) // out of descriptors
			continue
		}
		select {
		case s.streams <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		s.all.Go(func() {
			defer func() { <-s.streams }()
			s.serveStream(ctx, conn)
		})
	}
}

func (s *Server) serveStream(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	for range perConn {
		_ = conn.SetDeadline(time.Now().Add(idle))
		packet, err := receive(conn, true)
		if err != nil {
			return
		}
		q, err := parse(packet)
		if err != nil || len(packet) > maxQuery {
			return
		}
		if answer := s.answer(ctx, q, packet); answer == nil || send(conn, answer, true) != nil {
			return
		}
	}
}

// answer is what is said to a question.
func (s *Server) answer(ctx context.Context, q query, packet []byte) []byte {
	if own, ok := q.own(s.hostname); ok {
		return own
	}
	if len(s.resolvers) == 0 || q.Header.OpCode != 0 {
		return q.Refuse()
	}
	answer, err := s.ask(ctx, q, packet)
	if err != nil {
		return q.Fail()
	}
	return answer
}
