package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/net/dns/dnsmessage"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
	"forkgate/tests/need"
)

// world is a pod's network, a service, and an internet in which names lead to servers of the test's.
type world struct {
	t      *testing.T
	netns  *os.File
	run    string
	socket *os.File         // of the service, which outlives it
	secure *httptest.Server // by TLS, at every public address
	plain  *httptest.Server
	stop   func()

	mu     sync.Mutex
	names  map[string][]string // what a name resolves to; the last stays
	asked  []string
	dialed []string
	open   int // of what was dialed
	denied []Denied
}

// elsewhere is where a pod believes that it connects to: an address that is of no name.
const elsewhere = "93.184.216.34"

func newWorld(t *testing.T, n nsjail.Network) *world {
	t.Helper()
	need.Root(t)
	need.Tools(t, "nft")
	w := &world{t: t, run: t.TempDir(), names: map[string][]string{
		"api.example.com": {"8.8.8.8"}, "a.example.org": {"8.8.4.4"}, "evil.example.net": {"9.9.9.9"}, "front.example.com": {"8.8.8.8"},
		"inner.example.com": {"10.1.2.3 169.254.169.254 127.0.0.1 fd12::1 ::1 ::ffff:10.0.0.1 64:ff9b::a00:1"}, "mixed.example.com": {"10.1.2.3 8.8.8.8"},
		"turning.example.com": {"8.8.8.8", "127.0.0.1"},
	}}
	handler := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(out, "reached %s by %s, upgrade %q, query %s, for %s", r.Host, r.Proto, r.Header.Get("Upgrade"), r.URL.RawQuery, r.Header.Get("X-Forwarded-For"))
	})
	w.secure, w.plain = httptest.NewTLSServer(handler), httptest.NewServer(handler)
	t.Cleanup(w.secure.Close)
	t.Cleanup(w.plain.Close)
	if err := os.MkdirAll(filepath.Join(w.run, "egress"), 0o700); err != nil {
		t.Fatal(err)
	}
	holder := exec.Command("sleep", "infinity")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	must(t, holder.Start())
	t.Cleanup(func() { holder.Process.Kill(); holder.Wait() })
	var err error
	w.netns, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", holder.Process.Pid))
	must(t, err)
	t.Cleanup(func() { w.netns.Close() })
	w.socket, err = wire.ListenFile(Socket(w.run), 0o600)
	must(t, err)
	t.Cleanup(func() { w.socket.Close() })
	w.serve(w.socket)
	t.Cleanup(func() { w.stop() })
	if len(n.Names) > 0 {
		link, err := Join(t.Context(), Socket(w.run), "1", n, w.netns, slog.New(slog.NewTextHandler(io.Discard, nil)))
		must(t, err)
		t.Cleanup(func() { must(t, link.Close()) })
	}
	return w
}

// serve runs the service on a socket, which outlives it as systemd's does.
func (w *world) serve(socket *os.File) {
	w.t.Helper()
	fd, err := syscall.Dup(int(socket.Fd()))
	must(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- Serve(ctx, Config{
			Socket: os.NewFile(uintptr(fd), "egress"), Resolver: w, Dial: w.dial, Outside: outside, Denied: w.deny,
			Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Ready: func() error { close(ready); return nil },
		})
	}()
	<-ready
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// LookupNetIP is Resolver.
func (w *world) LookupNetIP(_ context.Context, _, host string) (found []netip.Addr, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	host = strings.TrimSuffix(host, ".")
	w.asked = append(w.asked, host)
	of := w.names[host]
	if len(of) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(of) > 1 {
		w.names[host] = of[1:]
	}
	for _, text := range strings.Fields(of[0]) {
		found = append(found, netip.MustParseAddr(text))
	}
	return found, nil
}

// dial leads to the servers of the test, whatever the address.
func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dialed = append(w.dialed, address)
	w.mu.Unlock()
	to := w.secure
	if strings.HasSuffix(address, ":80") {
		to = w.plain
	}
	c, err := (&net.Dialer{Control: Bounded}).DialContext(ctx, network, to.Listener.Addr().String())
	if err == nil {
		w.mu.Lock()
		w.open++
		w.mu.Unlock()
		c = &beyond{c.(*net.TCPConn), sync.OnceFunc(func() { w.mu.Lock(); w.open--; w.mu.Unlock() })}
	}
	return c, err
}

// beyond is a connection that is counted.
type beyond struct {
	*net.TCPConn
	end func()
}

func (b *beyond) Close() error { b.end(); return b.TCPConn.Close() }

// deny is the record, which takes so many at a time.
func (w *world) deny(_ context.Context, told []Denied) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(told), 10)
	w.denied = append(w.denied, told[:n]...)
	if n < len(told) {
		return n, errors.New("the record takes no more")
	}
	return n, nil
}

// outside is what is not the host's own: its network has public addresses, too.
func outside(a netip.Addr) (bool, error) {
	return !netip.MustParsePrefix("93.184.216.0/24").Contains(a), nil
}

// inside dials from the pod.
func (w *world) inside(network, address string) (c net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err = netns.Set(netns.NsHandle(w.netns.Fd())); err == nil {
			c, err = (&net.Dialer{Timeout: 5 * time.Second}).Dial(network, address)
		}
	}()
	<-done
	if err == nil {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return c, err
}

// https asks for a page by TLS, saying that it wants a host.
func (w *world) https(address, host string) string {
	c, err := w.inside("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	secure := tls.Client(c, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err := secure.Handshake(); err != nil {
		return err.Error()
	}
	return exchange(secure, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
}

func (w *world) says(address, text string) string {
	c, err := w.inside("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	return exchange(c, text)
}

func exchange(c net.Conn, text string) string {
	if _, err := io.WriteString(c, text); err != nil {
		return err.Error()
	}
	answer, err := io.ReadAll(c)
	if err != nil && len(answer) == 0 {
		return err.Error()
	}
	return string(answer)
}

// ask asks the pod's name server.
func (w *world) ask(kind dnsmessage.Type, name string) string {
	c, err := w.inside("udp", nsjail.NamesResolver)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}}}
	packet, err := q.Pack()
	must(w.t, err)
	if _, err := c.Write(packet); err != nil {
		return err.Error()
	}
	answer := make([]byte, 600)
	n, err := c.Read(answer)
	if err != nil {
		return err.Error()
	}
	var m dnsmessage.Message
	must(w.t, m.Unpack(answer[:n]))
	said := m.RCode.String()
	for _, a := range m.Answers {
		if a, ok := a.Body.(*dnsmessage.AResource); ok {
			said += " " + netip.AddrFrom4(a.A).String()
		}
	}
	return said
}

var named = nsjail.Network{Names: []string{
	"api.example.com:443", "api.example.com:80", "*.example.org:443", "inner.example.com:443", "inner.example.com:80", "mixed.example.com:443", "turning.example.com:443",
}}

// What is open is reached, by its name alone and whatever address it is looked for at; all else is not, and whoever asks hears at once.
func TestTLS(t *testing.T) {
	w := newWorld(t, named)
	for _, test := range []struct{ address, host, want, dials string }{
		{elsewhere + ":443", "api.example.com", "reached api.example.com", "8.8.8.8:443"},
		{elsewhere + ":443", "a.example.org", "reached a.example.org", "8.8.4.4:443"},
		{"1.1.1.1:443", "mixed.example.com", "reached mixed", "8.8.8.8:443"},
		{elsewhere + ":443", "evil.example.net", "access denied", ""},
		{elsewhere + ":443", "example.org", "access denied", ""},
		{elsewhere + ":443", "api.example.com.evil.example.net", "access denied", ""},
		{elsewhere + ":443", "", "access denied", ""},
		{elsewhere + ":443", "inner.example.com", "internal error", ""},
		{elsewhere + ":80", "a.example.org", "access denied", ""}, // another port
		{elsewhere + ":22", "api.example.com", "refused", ""},
		{"10.1.2.3:443", "api.example.com", "refused", ""}, // nobody leads that
		{nsjail.NamesResolver, "api.example.com", "", ""},  // nothing led it here: there is an end, of one kind or another
	} {
		w.mu.Lock()
		w.dialed = nil
		w.mu.Unlock()
		begun := time.Now()
		if got := w.https(test.address, test.host); !strings.Contains(got, test.want) || time.Since(begun) > 3*time.Second {
			t.Errorf("%s as %q: %q after %s, want %q", test.address, test.host, got, time.Since(begun), test.want)
		}
		w.mu.Lock()
		if got := strings.Join(w.dialed, " "); got != test.dials {
			t.Errorf("%s as %q: dialed %q, want %q", test.address, test.host, got, test.dials)
		}
		w.mu.Unlock()
	}
	// The control: what is denied is reached where it is open.
	open := newWorld(t, nsjail.Network{Names: []string{"evil.example.net:443"}})
	if got := open.https(elsewhere+":443", "evil.example.net"); !strings.Contains(got, "reached evil") {
		t.Errorf("where it is open: %q", got)
	}
}

// Each lookup is for one connection: a name that turns to this host does not lead there, and was not looked up twice for one.
func TestRebinding(t *testing.T) {
	w := newWorld(t, named)
	if got := w.https(elsewhere+":443", "turning.example.com"); !strings.Contains(got, "reached turning") {
		t.Errorf("first: %q", got)
	}
	if got := w.https(elsewhere+":443", "turning.example.com"); !strings.Contains(got, "internal error") {
		t.Errorf("when it has turned: %q", got)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if fmt.Sprint(w.dialed) != "[8.8.8.8:443]" {
		t.Errorf("dialed %q", w.dialed)
	}
}

func TestHTTP(t *testing.T) {
	w := newWorld(t, named)
	get := func(host string) string { return "GET /x HTTP/1.1\r\nHost: " + host + "\r\n\r\n" }
	last := func(host string) string { return "GET /x HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n" }
	for _, test := range []struct{ name, says, want, not string }{
		{"open", last("api.example.com"), "reached api.example.com", ""},
		{"with its port", last("api.example.com:80"), "reached api.example.com", ""},
		{"in large letters", last("API.Example.COM"), "reached api.example.com", ""},
		{"another", last("evil.example.net"), "403 Forbidden", "reached"},
		{"another, second on a connection", get("api.example.com") + last("evil.example.net"), "403 Forbidden", "reached evil"},
		{"another port", last("api.example.com:443"), "another port", "reached"},
		{"an address", last(elsewhere), "403 Forbidden", "reached"},
		{"nobody", "GET / HTTP/1.0\r\n\r\n", "403 Forbidden", "reached"},
		{"two", "GET / HTTP/1.1\r\nHost: api.example.com\r\nHost: evil.example.net\r\n\r\n", "400 Bad Request", "reached"},
		{"one in the address", "GET http://evil.example.net/ HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n", "403 Forbidden", "reached"},
		{"a tunnel", "CONNECT api.example.com:80 HTTP/1.1\r\nHost: api.example.com:80\r\nConnection: close\r\n\r\n", "405 Method", "reached"},
		{"one that is private", last("inner.example.com"), "none that is public", "reached"},
		{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "400 Bad Request", "reached"},
		{"one in the address, in disguise", "GET a:http://evil.example.net/ HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n", "for no path", "reached"},
		{"another protocol", "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + last("evil.example.net"), "upgrade \"\"", "reached evil"},
		{"a query that is none", "GET /?a=1;b=%zz HTTP/1.1\r\nHost: api.example.com\r\nX-Forwarded-For: me\r\nConnection: close\r\n\r\n", "query a=1;b=%zz, for me", ""},
		{"headers without end", "GET / HTTP/1.1\r\nHost: api.example.com\r\n" + strings.Repeat("abc: \r\n", 9000), "431 Request Header Fields Too Large", "reached"},
		{"a body of two lengths", "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + last("evil.example.net"),
			"", "reached evil"},
	} {
		got := w.says(elsewhere+":80", test.says)
		if !strings.Contains(got, test.want) || test.not != "" && strings.Contains(got, test.not) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	// A long one, both ways.
	c, err := w.inside("tcp", elsewhere+":80")
	must(t, err)
	defer c.Close()
	body := strings.Repeat("x", 3_000_000)
	go fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if answer, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || answer.StatusCode != 200 {
		t.Errorf("a long one: %v, %v", answer, err)
	}
}

// A hello that comes in pieces, and what comes right behind it, get there whole.
func TestPieces(t *testing.T) {
	w := newWorld(t, named)
	c, err := w.inside("tcp", elsewhere+":443")
	must(t, err)
	defer c.Close()
	secure := tls.Client(&slow{c}, &tls.Config{ServerName: "api.example.com", InsecureSkipVerify: true})
	if got := exchange(secure, "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n"); !strings.Contains(got, "reached api") {
		t.Errorf("got %q", got)
	}
}

// slow writes some bytes at a time.
type slow struct{ net.Conn }

func (s *slow) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		part := b[:min(len(b), 100)]
		_, err = s.Conn.Write(part)
		n, b = n+len(part), b[len(part):]
		time.Sleep(time.Millisecond)
	}
	return n, err
}

// One connection of a client has one beyond, however many hosts it asks.
func TestOneBeyond(t *testing.T) {
	w := newWorld(t, nsjail.Network{Names: []string{"*.down.example.org:80"}})
	for i := range 20 {
		w.names[fmt.Sprintf("x%d.down.example.org", i)] = []string{"8.8.8.8"}
	}
	c, err := w.inside("tcp", elsewhere+":80")
	must(t, err)
	defer c.Close()
	answers := bufio.NewReader(c)
	for i := range 20 {
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x%d.down.example.org\r\n\r\n", i)
		answer, err := http.ReadResponse(answers, nil)
		must(t, err)
		_, err = io.Copy(io.Discard, answer.Body)
		must(t, err)
	}
	need.Eventually(t, "the end of all but one", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.open <= 1 })
	if len(w.dialed) != 20 {
		t.Errorf("dialed %d", len(w.dialed))
	}
}

// What names lead to is tried one family after the other.
func TestAlternating(t *testing.T) {
	parse := func(texts string) (all []netip.Addr) {
		for _, text := range strings.Fields(texts) {
			all = append(all, netip.MustParseAddr(text))
		}
		return all
	}
	for _, test := range [][3]string{
		{"1.1.1.1 1.1.1.2", "2::1 2::2 2::3", "[1.1.1.1 2::1 1.1.1.2 2::2 2::3]"}, {"", "2::1", "[2::1]"}, {"1.1.1.1 1.1.1.2", "", "[1.1.1.1 1.1.1.2]"}, {"", "", "[]"},
	} {
		if got := fmt.Sprint(alternating(parse(test[0]), parse(test[1]))); got != test[2] {
			t.Errorf("%q: %s", test[:2], got)
		}
	}
}

// What this host has a route for is not outside, whatever it is called.
func TestOutside(t *testing.T) {
	w := newWorld(t, nsjail.Network{})
	sh := func(command string) {
		t.Helper()
		if out, err := exec.Command("nsenter", "--net="+w.netns.Name(), "sh", "-ec", command).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	sh(`ip link set lo up; ip link add up0 type veth peer name far0; ip link set up0 up; ip link set far0 up; ip addr add 93.184.216.2/24 dev up0; ip route add default via 93.184.216.1
		ip addr add 2001:4860::2/128 dev up0 nodad; ip -6 route add 2001:4860::/64 dev up0; ip -6 route add default via 2001:4860::1
		ip link add tun0 type veth peer name far1; ip link set tun0 up; ip route add 151.101.0.0/16 via 93.184.216.9 dev up0; ip route add 152.0.0.0/16 dev tun0; ip route add blackhole 153.0.0.0/16`)
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1": true, "93.184.216.9": false, "93.184.216.2": false, "2001:4860::9": false, "2001:4860::2": false, "151.101.1.1": false, "152.0.0.1": false, "153.0.0.1": false,
	} {
		must(t, within(w.netns, func() error {
			if got, _ := Outside(netip.MustParseAddr(text)); got != want {
				t.Errorf("%s: %v", text, got)
			}
			return nil
		}))
	}
}

// Names are answered where they are open, and nobody is asked about others.
func TestQuestions(t *testing.T) {
	w := newWorld(t, named)
	for _, test := range []struct {
		kind       dnsmessage.Type
		name, want string
	}{
		{dnsmessage.TypeA, "api.example.com.", "RCodeSuccess 8.8.8.8"},
		{dnsmessage.TypeA, "API.example.com.", "RCodeSuccess 8.8.8.8"},
		{dnsmessage.TypeA, "a.example.org.", "RCodeSuccess 8.8.4.4"},
		{dnsmessage.TypeA, "mixed.example.com.", "RCodeSuccess 8.8.8.8"},
		{dnsmessage.TypeAAAA, "api.example.com.", "RCodeSuccess"},
		{dnsmessage.Type(65), "api.example.com.", "RCodeSuccess"},
		{dnsmessage.TypeA, "nowhere.example.org.", "RCodeNameError"},
		{dnsmessage.TypeA, "inner.example.com.", "RCodeRefused"},
		{dnsmessage.TypeA, "evil.example.net.", "RCodeRefused"},
		{dnsmessage.TypeTXT, "stolen-secret.evil.example.net.", "RCodeRefused"},
		{dnsmessage.TypeA, "example.org.", "RCodeRefused"},
	} {
		if got := w.ask(test.kind, test.name); got != test.want {
			t.Errorf("%s %s: %q, want %q", test.kind, test.name, got, test.want)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.ContainsFunc(w.asked, func(name string) bool { return strings.Contains(name, "evil") }) {
		t.Errorf("somebody was asked: %q", w.asked)
	}
}

// There is no way out but that: no link, and what is led nowhere is refused at once.
func TestNoOther(t *testing.T) {
	w := newWorld(t, named)
	for _, try := range []struct{ network, address string }{{"tcp", elsewhere + ":25"}, {"udp", elsewhere + ":443"}, {"udp", "8.8.8.8:53"}, {"tcp", "169.254.169.254:80"}} {
		c, err := w.inside(try.network, try.address)
		if err == nil {
			_, err = c.Write([]byte("x"))
			if err == nil {
				_, err = c.Read(make([]byte, 1))
			}
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("%s %s: %v", try.network, try.address, err)
		}
	}
	out, err := exec.Command("nsenter", "--net="+w.netns.Name(), "ip", "-o", "link").CombinedOutput()
	if err != nil || strings.Count(string(out), "\n") != 1 {
		t.Errorf("links: %v, %s", err, out)
	}
	// Without this package nothing is led, and there is no route.
	bare := newWorld(t, nsjail.Network{})
	if got := bare.https(elsewhere+":443", "api.example.com"); !strings.Contains(got, "unreachable") {
		t.Errorf("a bare pod: %q", got)
	}
}

// The record hears what was denied, once a second, and of a flood not all.
func TestDenied(t *testing.T) {
	w := newWorld(t, named)
	for range 3 {
		w.https(elsewhere+":443", "evil.example.net")
	}
	w.says(elsewhere+":80", "GET / HTTP/1.0\r\nHost: \x1b[31m\r\n\r\n")
	for i := range 100 {
		w.ask(dnsmessage.TypeA, fmt.Sprintf("x%d.evil.example.net.", i))
	}
	count := func(host string, port uint16) (n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, d := range w.denied {
			if d.GUID == "1" && d.Host == host && d.Port == port {
				n += d.Count
			}
		}
		return n
	}
	w.https(elsewhere+":443", strings.Repeat("\x01", 60_000))
	w.says(elsewhere+":80", "GET / HTTP/1.1\r\nHost: "+strings.Repeat("x", 9000)+"\r\nConnection: close\r\n\r\n")
	need.Eventually(t, "the record", func() bool {
		return count("evil.example.net", 443) == 3 && count("x3.evil.example.net", 0) == 1 && count("", 0) > 50
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.denied) > 60 {
		t.Errorf("%d lines", len(w.denied))
	}
	for _, d := range w.denied {
		if len(d.Host) > maxHost {
			t.Errorf("a host of %d bytes", len(d.Host))
		}
	}
}

// A service that starts anew has the pods again; who connects meanwhile waits.
func TestServedAgain(t *testing.T) {
	w := newWorld(t, named)
	w.stop()
	waiting := make(chan string, 1)
	go func() { waiting <- w.https(elsewhere+":443", "api.example.com") }()
	time.Sleep(300 * time.Millisecond)
	w.serve(w.socket)
	if got := <-waiting; !strings.Contains(got, "reached api") {
		t.Errorf("got %q", got)
	}
}

// What is no claim is none: addresses are not this service's to open.
func TestClaims(t *testing.T) {
	w := newWorld(t, nsjail.Network{})
	for _, claim := range []up{{"1", []string{"10.0.0.0/8"}}, {"1", []string{"*"}}, {"../x", []string{"a.example.org:443"}}} {
		conn, err := wire.Claim{Socket: Socket(w.run), Type: typeUp, Body: claim, Files: []*os.File{os.Stdin, os.Stdin}}.Ask(t.Context(), &struct{}{})
		if err == nil {
			conn.Close()
			t.Errorf("%+v is taken", claim)
		}
	}
}

// What the link opens by address is not led away from there.
func TestRules(t *testing.T) {
	n := nsjail.Network{Names: []string{"api.example.com:443"}, Egress: []string{"93.184.0.0/16:443/tcp", "*:80", "192.0.2.7:53/udp", "10.0.0.0/8"}}
	of, err := parsePlaces(n.Names)
	must(t, err)
	text, err := script(of, n)
	must(t, err)
	for _, want := range []string{"ip daddr 93.184.0.0/16 tcp dport 443 return", "ip daddr 0.0.0.0/0 tcp dport 80 return", "tcp dport { 443 } redirect to :60443"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "refuse_out") || strings.Contains(text, "192.0.2.7") {
		t.Errorf("there is too much in\n%s", text)
	}
	need.Root(t)
	need.Tools(t, "nft")
	must(t, within(newWorld(t, nsjail.Network{}).netns, func() error { return load(text) }))
}

func FuzzServerName(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 5, 1, 0, 0, 1, 3})
	f.Fuzz(func(t *testing.T, said []byte) {
		_, begun, _ := serverName(t.Context(), strings.NewReader(string(said)))
		if !strings.HasPrefix(string(said), string(begun)) {
			t.Errorf("%q of %q", begun, said)
		}
	})
}
