package door

import (
	"net/netip"
	"testing"
	"time"
)

// Connections that only sit there make room for who logs in, and those that have just come do not.
func TestIdleStartupsMakeRoom(t *testing.T) {
	const limit = 100
	s := newStartups(limit, 10)
	start := time.Now()
	evicted := 0
	for n := range limit {
		here, leave, ok := s.enter(netip.AddrFrom4([4]byte{10, 0, byte(n), 1}), start)
		if !ok {
			t.Fatalf("connection %d was refused", n)
		}
		s.evictable(here, func() { evicted++; leave() })
	}
	other := netip.MustParseAddr("192.0.2.1")
	if _, _, ok := s.enter(other, start.Add(patience/2)); ok {
		t.Error("a connection over the limit came in, and nobody had waited for long")
	}
	for n := range 3 {
		here, _, ok := s.enter(other, start.Add(patience))
		if !ok || evicted != n+1 {
			t.Fatalf("came in: %v, %d were ended", ok, evicted)
		}
		s.evictable(here, func() { t.Error("a newcomer was ended") })
	}
}

func TestStartupsPerSource(t *testing.T) {
	s := newStartups(100, 2)
	source := netip.MustParseAddr("2001:db8::1")
	neighbour := netip.MustParseAddr("2001:db8::2")
	now := time.Now()
	_, leave, _ := s.enter(source, now)
	s.enter(neighbour, now)
	if _, _, ok := s.enter(source, now.Add(time.Hour)); ok {
		t.Error("a third connection from one /64 came in")
	}
	leave()
	leave() // once only
	if _, _, ok := s.enter(source, now); !ok {
		t.Error("a connection that left still counts")
	}
	if _, _, ok := s.enter(source, now); ok {
		t.Error("a connection left twice")
	}
}
