package names

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// tested is a server of the test's, on a port of its own.
type tested struct{ *Server }

func started(t *testing.T, resolvers ...netip.AddrPort) tested {
	t.Helper()
	s, err := start(Config{Hostname: "demo-x"}, resolvers)
	for errors.Is(err, syscall.EADDRINUSE) { // somebody has that port already, of the other kind
		s, err = start(Config{Hostname: "demo-x"}, resolvers)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return tested{s}
}

func (s tested) dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	_, port, err := net.SplitHostPort(s.tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial(network, net.JoinHostPort(address, port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

func (s tested) ask(t *testing.T, network, address string, q dnsmessage.Message) dnsmessage.Message {
	t.Helper()
	conn := s.dial(t, network, address)
	if err := send(conn, pack(t, q), network == "tcp"); err != nil {
		t.Fatal(err)
	}
	packet, err := receive(conn, network == "tcp")
	if err != nil {
		t.Fatal(err)
	}
	m := unpack(t, packet)
	if m.ID != q.ID || !m.Response {
		t.Errorf("an answer to another question: %v", m)
	}
	return m
}

// resolves is a resolver that answers by UDP and TCP.
func resolves(t *testing.T, answer func(q dnsmessage.Message, stream bool) []byte) netip.AddrPort {
	t.Helper()
	at := resolvesTwice(t, func(q dnsmessage.Message) [][]byte { return [][]byte{answer(q, false)} })
	l, err := net.Listen("tcp", at.String())
	if errors.Is(err, syscall.EADDRINUSE) {
		return resolves(t, answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if packet, err := receive(conn, true); err == nil {
				_ = send(conn, answer(unpack(t, packet), true), true)
			}
			conn.Close()
		}
	}()
	return at
}

// resolvesTwice answers each question by UDP, as often as it likes.
func resolvesTwice(t *testing.T, answers func(q dnsmessage.Message) [][]byte) netip.AddrPort {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := udp.ReadFrom(packet)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			for _, a := range answers(unpack(t, packet[:n])) {
				_, _ = udp.WriteTo(a, from)
			}
		}
	}()
	return netip.MustParseAddrPort(udp.LocalAddr().String())
}

func question(t *testing.T, kind dnsmessage.Type, name string) dnsmessage.Message {
	t.Helper()
	return dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
}

// address answers q.
func address(t *testing.T, q dnsmessage.Message, addresses ...string) []byte {
	t.Helper()
	q.Response = true
	for _, a := range addresses {
		q.Answers = append(q.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
		})
	}
	return pack(t, q)
}

func pack(t *testing.T, m dnsmessage.Message) []byte {
	b, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return b
}

func unpack(t *testing.T, packet []byte) (m dnsmessage.Message) {
	if err := m.Unpack(packet); err != nil {
		t.Error(err)
	}
	return m
}

func values(m dnsmessage.Message) string {
	var all []string
	for _, a := range m.Answers {
		switch b := a.Body.(type) {
		case *dnsmessage.AResource:
			all = append(all, netip.AddrFrom4(b.A).String())
		case *dnsmessage.AAAAResource:
			all = append(all, netip.AddrFrom16(b.AAAA).String())
		case *dnsmessage.PTRResource:
			all = append(all, b.PTR.String())
		default:
			all = append(all, fmt.Sprint(b))
		}
	}
	return strings.Join(all, " ")
}
