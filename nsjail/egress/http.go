package egress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of HTTP. Bodies have none.
const (
	maxHeader = 16 << 10
	quiet     = time.Minute // between requests
)

// passHTTP passes on each request of a connection to the host that it names: one that was let out says nothing about the next.
func (p *pod) passHTTP(ctx context.Context, c *net.TCPConn, r *bufio.Reader, port uint16) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return p.dial(ctx, host, port)
		},
		DisableCompression: true, MaxResponseHeaderBytes: maxHeader, IdleConnTimeout: quiet, MaxIdleConns: 1, MaxIdleConnsPerHost: 1,
	}
	defer transport.CloseIdleConnections()
	silence := log.New(io.Discard, "", 0)
	proxy := &httputil.ReverseProxy{
		Rewrite:       rewrite,
		Transport:     transport,
		FlushInterval: -1, // at once
		ErrorLog:      silence,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, errPrivate) {
				p.deny(r.Host, port, err.Error())
				http.Error(w, "forkgate: "+err.Error(), http.StatusForbidden)
				return
			}
			http.Error(w, "forkgate: cannot reach that host", http.StatusBadGateway)
		},
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.request(w, r, port, proxy) }),
		ReadHeaderTimeout: hello, IdleTimeout: quiet, MaxHeaderBytes: maxHeader, ErrorLog: silence,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	one := newOne(&conn{Conn: c, r: r})
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	_ = server.Serve(one) // until the connection ends
}

// rewrite has a request go on as it came, but to the host that was judged.
func rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", hostOf(r.In.Host), r.In.Host
	r.Out.URL.RawQuery = r.In.URL.RawQuery // the proxy would mend what it cannot read
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, there := r.In.Header[name]; there {
			r.Out.Header[name] = values
		}
	}
	// By any other protocol it could go on to speak of other hosts.
	if !strings.EqualFold(r.In.Header.Get("Upgrade"), "websocket") {
		r.Out.Header.Del("Upgrade")
		r.Out.Header.Del("Connection")
		r.Out.Header.Del("HTTP2-Settings")
	}
}

// request judges one.
func (p *pod) request(w http.ResponseWriter, r *http.Request, port uint16, proxy http.Handler) {
	said, named := r.Host, port
	if host, text, err := net.SplitHostPort(r.Host); err == nil {
		number, err := strconv.ParseUint(text, 10, 16)
		if said, named = host, uint16(number); err != nil {
			named = 0
		}
	}
	host := hostOf(said)
	switch why := p.whyNot(host, port, nil); {
	case r.Method == http.MethodConnect:
		http.Error(w, "forkgate: this is no proxy", http.StatusMethodNotAllowed)
	case r.URL.Opaque != "": // what host that is for its server says, and not we
		p.deny(said, port, "its request is for no path")
		http.Error(w, "forkgate: the request is for no path", http.StatusBadRequest)
	case named != port:
		p.deny(r.Host, port, "it names another port")
		http.Error(w, "forkgate: the request names another port than it came by", http.StatusForbidden)
	case why != "":
		p.deny(said, port, why)
		http.Error(w, fmt.Sprintf("forkgate: %q by port %d is not open to this pod: policy lists what is, in egress", said, port), http.StatusForbidden)
	default:
		r.Host = host
		if port != 80 {
			r.Host = net.JoinHostPort(host, strconv.Itoa(int(port)))
		}
		proxy.ServeHTTP(w, r)
	}
}

// conn is a connection of which the beginning has been read. It has no other way to be read than by that.
type conn struct {
	net.Conn
	r     io.Reader
	ended chan struct{}
	once  sync.Once
}

// CloseWrite is net/http's way of letting a client read what it was answered.
func (c *conn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

func (c *conn) Read(b []byte) (int, error) { return c.r.Read(b) }

func (c *conn) Close() error {
	c.once.Do(func() { close(c.ended) })
	return c.Conn.Close()
}

// one is a listener to which one connection comes, and which ends with it.
type one struct {
	c     *conn
	taken bool
}

func newOne(c *conn) *one {
	c.ended = make(chan struct{})
	return &one{c: c}
}

func (l *one) Accept() (net.Conn, error) {
	if !l.taken {
		l.taken = true
		return l.c, nil
	}
	<-l.c.ended
	return nil, net.ErrClosed
}

func (l *one) Close() error   { return nil }
func (l *one) Addr() net.Addr { return l.c.LocalAddr() }
