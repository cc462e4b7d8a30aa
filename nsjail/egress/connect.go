package egress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
)

// accept takes the pod's connections until ctx ends.
func (p *pod) accept(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	stop := context.AfterFunc(ctx, func() { p.connections.Close() })
	defer stop()
	for p.calls.Wait(ctx) == nil {
		c, err := p.connections.AcceptTCP()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil: // out of descriptors, or whoever called has gone
			time.Sleep(pause)
			continue
		}
		select {
		case p.room <- struct{}{}:
		default:
			p.deny("", 0, fmt.Sprintf("it has %d connections already", maxConnections))
			c.Close()
			continue
		}
		all.Go(func() {
			defer func() { <-p.room }()
			p.connect(ctx, c)
		})
	}
}

// hello is how long a client may take to say what host it wants.
const hello = 10 * time.Second

// connect finds out what host a connection is for, and passes it on to there or ends it.
func (p *pod) connect(ctx context.Context, c *net.TCPConn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	to, err := originally(c)
	if err != nil || to.Port() == nsjail.NamesPort {
		return // nothing led it here, such as from outside by a published port
	}
	_ = c.SetDeadline(time.Now().Add(hello))
	r := bufio.NewReader(c)
	first, err := r.Peek(1)
	switch {
	case err != nil:
		if isTimeout(err) {
			p.deny(to.Addr().String(), to.Port(), "it says nothing: what a name is for is told by TLS or HTTP")
		}
	case first[0] == handshakeRecord:
		p.passTLS(ctx, c, r, to.Port())
	default:
		_ = c.SetDeadline(time.Time{})
		p.passHTTP(ctx, c, r, to.Port())
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// originally is where a connection was for before it was led here (SO_ORIGINAL_DST, linux/netfilter_ipv4.h), on the word of the pod's kernel, which its
// root has rules in: what it is let out by is one of the pod's places in any case.
func originally(c *net.TCPConn) (to netip.AddrPort, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return to, err
	}
	failed := raw.Control(func(fd uintptr) {
		// The option's value is a sockaddr_in; this has room for it, and no pointer in it.
		var name *unix.IPv6Mreq
		if name, err = unix.GetsockoptIPv6Mreq(int(fd), unix.SOL_IP, unix.SO_ORIGINAL_DST); err == nil {
			b := name.Multiaddr
			to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), uint16(b[2])<<8|uint16(b[3]))
		}
	})
	return to, errors.Join(failed, err)
}

// Attempts at one host.
const (
	maxAttempts = 4
	attempt     = 5 * time.Second
)

var errPrivate = errors.New("its address is none that is public and outside")

// dial connects to a host at an address that it resolves to now, and that is public: that very one, whatever it resolves to later.
func (p *pod) dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	addresses, err := p.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, a := range addresses[:min(len(addresses), maxAttempts)] {
		trying, cancel := context.WithTimeout(ctx, attempt)
		c, err := p.Dial(trying, "tcp", netip.AddrPortFrom(a, port).String())
		cancel()
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// resolve looks a host up, and leaves out what is not public.
func (p *pod) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	found, err := p.Resolver.LookupNetIP(ctx, "ip", host+".") // rooted, so that no search domain is tried
	if err != nil {
		return nil, err
	}
	var four, six []netip.Addr
	for _, a := range found {
		switch a = a.Unmap(); {
		case !public(a) || !p.outside(a):
		case a.Is4():
			four = append(four, a)
		default:
			six = append(six, a)
		}
	}
	if len(four)+len(six) == 0 {
		return nil, errPrivate
	}
	return alternating(four, six), nil
}

// outside is Outside, where there is a way at all: by IPv6 there may be none.
func (p *pod) outside(a netip.Addr) bool {
	outside, err := p.Outside(a)
	return err == nil && outside
}

// alternating has the one family tried after the other: a way that leads nowhere is often one family's.
func alternating(four, six []netip.Addr) (all []netip.Addr) {
	for i := range max(len(four), len(six)) {
		all = append(append(all, four[min(i, len(four)):min(i+1, len(four))]...), six[min(i, len(six)):min(i+1, len(six))]...)
	}
	return all
}

// splice passes on what each side says until both have ended. begun is what the client has said already.
func splice(ctx context.Context, client, server net.Conn, begun []byte) {
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if _, err := server.Write(begun); err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() { half(server, client) })
	half(client, server)
	up.Wait()
}

// half copies one way, and says that there is no more. Where that breaks, the other way has nobody to speak to either.
func half(to, from net.Conn) {
	// Not from one to the other within the kernel: that takes a pipe, of which a user has few, for as long as the connection lasts.
	_, err := io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from})
	end, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || end.CloseWrite() != nil {
		to.Close()
		from.Close()
	}
}
