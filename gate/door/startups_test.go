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
		here, leave, ok := s.enter(netip.AddrFrom4([4]byte{10, 0, byte(n), 1}), standing{places: 10}, start)
		if !ok {
			t.Fatalf("connection %d was refused", n)
		}
		s.evictable(here, func() { evicted++; leave() })
	}
	other := netip.MustParseAddr("192.0.2.1")
	if _, _, ok := s.enter(other, standing{places: 10}, start.Add(patience/2)); ok {
		t.Error("a connection over the limit came in, and nobody had waited for long")
	}
	for n := range 3 {
		here, _, ok := s.enter(other, standing{places: 10}, start.Add(patience))
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
	_, leave, _ := s.enter(source, standing{places: 2}, now)
	s.enter(neighbour, standing{places: 2}, now)
	if _, _, ok := s.enter(source, standing{places: 2}, now.Add(time.Hour)); ok {
		t.Error("a third connection from one /64 came in")
	}
	leave()
	leave() // once only
	if _, _, ok := s.enter(source, standing{places: 2}, now); !ok {
		t.Error("a connection that left still counts")
	}
	if _, _, ok := s.enter(source, standing{places: 2}, now); ok {
		t.Error("a connection left twice")
	}
}

// A source whose places are all taken by connections that only sit there still has one for who logs in, and takes none of its neighbour's.
func TestAFullSourceMakesRoom(t *testing.T) {
	s := newStartups(100)
	start := time.Now()
	var evicted []string
	enter := func(source, name string, at time.Time) bool {
		here, _, ok := s.enter(netip.MustParseAddr(source), standing{places: 2}, at)
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

// attackers hold all places that they can get, from so many sources, with connections that are renewed before they have to make room. try says
// whether somebody else comes in at a moment, and keeps the place for as long as a login takes.
func attackers(t *testing.T, s *startups, sources int, try func(now time.Time)) {
	t.Helper()
	var held []func()
	start := time.Now()
	for tick := range 100 {
		now := start.Add(time.Duration(tick) * patience / 2)
		for _, leave := range held {
			leave()
		}
		held = nil
		for n := range 10 * sources {
			here, leave, ok := s.enter(netip.AddrFrom4([4]byte{10, byte(n % sources), 0, 1}), standing{places: 10}, now)
			if ok {
				s.evictable(here, leave)
				held = append(held, leave)
			}
		}
		try(now)
	}
}

// Whoever renews what it holds before that has to make room keeps nobody out: not who comes from another source, as long as the places are more
// than the sources, and not who comes from where somebody has logged in.
func TestRenewedStartupsShutNobodyOut(t *testing.T) {
	t.Parallel()
	other := netip.MustParseAddr("192.0.2.1")
	for _, c := range []struct {
		name    string
		sources int
		stands  standing
		in      int
	}{
		{"a stranger, of few sources", 60, standing{places: 10}, 100},
		{"a stranger, of very many", 200, standing{places: 10}, 0}, // the control
		{"who is known, of very many", 200, standing{places: 10, known: true}, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, in := newStartups(100), 0
			attackers(t, s, c.sources, func(now time.Time) {
				here, leave, ok := s.enter(other, c.stands, now)
				if !ok {
					return
				}
				in++
				s.evictable(here, func() { t.Error("who logs in is ended") })
				leave()
			})
			if in != c.in {
				t.Errorf("%d of 100 tries come in, not %d", in, c.in)
			}
		})
	}
}
