package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// handshakeRecord begins TLS (RFC 8446, 5.1): nothing that HTTP begins with.
const handshakeRecord = 22

// maxHello is how long a ClientHello may be, with those that are cut into pieces; post-quantum ones have some 2 KiB.
const maxHello = 64 << 10

// passTLS passes on a connection to the host that its ClientHello names.
func (p *pod) passTLS(ctx context.Context, c *net.TCPConn, r *bufio.Reader, port uint16) {
	said, begun, err := serverName(ctx, r)
	more, _ := r.Peek(r.Buffered()) // what has come with it
	begun = append(begun, more...)
	host := hostOf(said)
	if why := p.whyNot(host, port, err); why != "" {
		p.deny(said, port, why)
		turnAway(c, accessDenied)
		return
	}
	server, err := p.dial(ctx, host, port)
	if err != nil {
		if errors.Is(err, errPrivate) {
			p.deny(said, port, err.Error())
		}
		turnAway(c, internalError)
		return
	}
	defer server.Close()
	_ = c.SetDeadline(time.Time{})
	splice(ctx, c, server, begun)
}

// whyNot says why a host is not to be reached; empty where it is.
func (p *pod) whyNot(host string, port uint16, err error) string {
	switch {
	case err != nil:
		return "what it says is no TLS that names a host"
	case host == "":
		return "it names no host"
	case !p.places.reach(host, port):
		return "it is none of the pod's places"
	}
	return ""
}

// Alerts (RFC 8446, 6.2).
const (
	accessDenied  = 49
	internalError = 80
)

// turnAway ends a connection so that the client hears at once, and knows that it was not the server. What it has sent meanwhile is read: the kernel
// would take the alert back else.
func turnAway(c *net.TCPConn, alert byte) {
	_ = c.SetDeadline(time.Now().Add(farewell))
	if _, err := c.Write([]byte{21, 3, 3, 0, 2, 2, alert}); err == nil && c.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, struct{ io.Reader }{c}, maxHello)
	}
}

const farewell = time.Second

var errSeen = errors.New("seen")

// serverName reads a ClientHello with Go's own parser, and returns the host that it names and all that was read.
func serverName(ctx context.Context, r io.Reader) (host string, begun []byte, err error) {
	var said bytes.Buffer
	heard := listening{Reader: io.TeeReader(io.LimitReader(r, maxHello), &said)}
	err = tls.Server(heard, &tls.Config{
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			host = h.ServerName
			return nil, errSeen
		},
	}).HandshakeContext(ctx)
	if errors.Is(err, errSeen) {
		err = nil
	}
	return host, said.Bytes(), err
}

// listening is a connection that says nothing.
type listening struct{ io.Reader }

func (listening) Write(b []byte) (int, error)      { return len(b), nil }
func (listening) Close() error                     { return nil }
func (listening) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (listening) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (listening) SetDeadline(time.Time) error      { return nil }
func (listening) SetReadDeadline(time.Time) error  { return nil }
func (listening) SetWriteDeadline(time.Time) error { return nil }
