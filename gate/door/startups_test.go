package door

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// Connections that only sit there make room for who logs in, and those that have just come do not.
func TestIdleStartupsMakeRoom(t *testing.T) {
	const limit = 100
	s := newStartups(limit)
	start := time.Now()
	evicted := 0
	for n := range limit {
		here, leave, ok := s.enter(netip.AddrFrom4([4]byte{10, 0, byte(n), 1}), 10, start)
		if !ok {
			t.Fatalf("connection %d was refused", n)
		}
		s.evictable(here, func() { evicted++; leave() })
	}
	other := netip.MustParseAddr("192.0.2.1")
	if _, _, ok := s.enter(other, 10, start.Add(patience/2)); ok {
		t.Error("a connection over the limit came in, and nobody had waited for long")
	}
	for n := range 3 {
		here, _, ok := s.enter(other, 10, start.Add(patience))
		if !ok || evicted != n+1 {
			t.Fatalf("came in: %v, %d were ended", ok, evicted)
		}
		s.evictable(here, func() { t.Error("a newcomer was ended") })
	}
}

func TestStartupsPerSource(t *testing.T) {
	s := newStartups(100)
	source := netip.MustParseAddr("2001:db8::1")
	neighbour := netip.MustParseAddr("2001:db8::2")
	now := time.Now()
	_, leave, _ := s.enter(source, 2, now)
	s.enter(neighbour, 2, now)
	if _, _, ok := s.enter(source, 2, now.Add(time.Hour)); ok {
		t.Error("a third connection from one /64 came in")
	}
	leave()
	leave() // once only
	if _, _, ok := s.enter(source, 2, now); !ok {
		t.Error("a connection that left still counts")
	}
	if _, _, ok := s.enter(source, 2, now); ok {
		t.Error("a connection left twice")
	}
}

// A source whose places are all taken by connections that only sit there still has one for who logs in, and takes none of its neighbour's.
func TestAFullSourceMakesRoom(t *testing.T) {
	s := newStartups(100)
	start := time.Now()
	var evicted []string
	enter := func(source, name string, at time.Time) bool {
		here, _, ok := s.enter(netip.MustParseAddr(source), 2, at)
		if ok {
			s.evictable(here, func() { evicted = append(evicted, name) })
		}
		return ok
	}
	enter("192.0.2.9", "the neighbour", start.Add(-time.Hour))
	for _, name := range []string{"first", "second"} {
		if !enter("192.0.2.1", name, start) {
			t.Fatalf("the %s was refused", name)
		}
	}
	if enter("192.0.2.1", "third", start.Add(patience/2)) {
		t.Error("a third came in, and nobody had waited for long")
	}
	if !enter("192.0.2.1", "third", start.Add(patience)) || !slices.Equal(evicted, []string{"first"}) {
		t.Errorf("for the third these made room: %q", evicted)
	}
}
