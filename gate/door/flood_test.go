package door_test

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/tests/need"
)

// floods are messages that a client sends without end, and without reading an answer.
func floods() map[string][]byte {
	open := func(kind string, rest any) []byte {
		head := ssh.Marshal(struct {
			Kind            string `sshtype:"90"`
			ID, Window, Max uint32
		}{kind, 8, 1 << 20, 1 << 15})
		if rest == nil {
			return head
		}
		return append(head, ssh.Marshal(rest)...)
	}
	global := func(kind string) []byte {
		return append(ssh.Marshal(struct {
			Kind  string `sshtype:"80"`
			Reply bool
		}{kind, true}), ssh.Marshal(struct {
			Host string
			Port uint32
		}{"localhost", 80})...)
	}
	ask := func(kind string, payload any) []byte {
		return append(ssh.Marshal(struct {
			ID    uint32 `sshtype:"98"`
			Kind  string
			Reply bool
		}{0, kind, true}), ssh.Marshal(payload)...)
	}
	return map[string][]byte{
		"sessions":         open("session", nil),
		"forwards":         open("direct-tcpip", direct{"localhost", 81, "", 0}),
		"sockets":          open("direct-streamlocal@openssh.com", struct{ Path, Origin string }{"/no", ""}),
		"unknown channels": open("no-such-channel", nil),
		"agents":           open("auth-agent@openssh.com", nil),
		"keepalives":       global("keepalive@openssh.com"),
		"remote forwards":  global("tcpip-forward"),
		"cancels":          global("cancel-tcpip-forward"),
		"variables":        ask("env", envReq{"LANG", strings.Repeat("x", 1000)}),
		"windows":          ask("window-change", window{1, 2, 3, 4}),
		"signals":          ask("signal", nameReq{"USR1"}),
		"terminals":        ask("pty-req", ptyReq{"xterm", 80, 24, 0, 0, nil}),
		"ignored": ssh.Marshal(struct {
			S string `sshtype:"2"`
		}{strings.Repeat("x", 1000)}),
	}
}

// A flood takes bounded memory and goroutines, and leaves nothing; whoever else comes meanwhile is served.
func TestFloods(t *testing.T) {
	const many = 20000
	for name, message := range floods() {
		t.Run(name, func(t *testing.T) {
			p := openBehind(t, func(l net.Listener) net.Listener { return narrow{l} })
			p.login()
			need.Eventually(t, "that caller is gone", func() bool { return p.warden.Doors() == 0 })
			before, heapBefore := runtime.NumGoroutine(), heapNow()
			r := dialRaw(t, p.addr)
			_ = r.conn.(*net.TCPConn).SetReadBuffer(4 << 10)
			if !r.prove("demo", p.key, p.key) {
				t.Fatal("not let in")
			}
			r.open()
			ended := make(chan error, 1)
			var sent, peak atomic.Int64
			go func() { ended <- r.flood(message, many, &sent, &peak) }()
			need.Eventually(t, "the flood is there", func() bool { return sent.Load() > 500 || len(ended) == 1 })
			for range 3 {
				p.login()
			}
			err := <-ended
			p.login()
			goroutines, heap := int(peak.Load())-before, heapNow()-heapBefore
			t.Logf("%d of %d went (%v), %d goroutines at most, %d KiB", sent.Load(), many, err, goroutines, heap>>10)
			if goroutines > 1300 || heap > 32<<20 {
				t.Errorf("it holds %d goroutines and %d bytes", goroutines, heap)
			}
			r.conn.Close()
			need.Eventually(t, "nothing of it is left", func() bool { return runtime.NumGoroutine() <= before && p.warden.Doors() == 0 })
		})
	}
}

// narrow is a listener whose connections take little that nobody reads.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(4 << 10)
	}
	return c, err
}

// login is a second caller.
func (p *place) login() {
	p.t.Helper()
	c, err := p.tryDial("demo", p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	s, err := c.NewSession()
	if err != nil {
		p.t.Fatal(err)
	}
	if out, err := s.Output("echo in"); err != nil || string(out) != "in\n" {
		p.t.Fatalf("%q, %v", out, err)
	}
}

// flood sends a message so many times, or until the door has taken none for some seconds, or has hung up.
func (r *rawClient) flood(message []byte, many int, sent, peak *atomic.Int64) error {
	for range many {
		_ = r.conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
		if err := r.trySend(message); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return errors.New("held up")
			}
			return net.ErrClosed
		}
		if sent.Add(1)%100 == 0 {
			peak.Store(max(peak.Load(), int64(runtime.NumGoroutine())))
		}
	}
	return nil
}

func heapNow() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
