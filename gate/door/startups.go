package door

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// startups counts the connections that have not authenticated yet, in all and by source. It is what sshd_config(5) calls
// MaxStartups and PerSourceMaxStartups. When the total is reached, who has waited longest makes room: a login takes a moment, so
// that connections which only sit there shut nobody out. So it is with the few places of a source that pays a penalty.
type startups struct {
	limit int

	mu       sync.Mutex
	waiting  *list.List // of *startup, the oldest first
	bySource map[netip.Prefix]int
}

// startup is one connection that has not authenticated.
type startup struct {
	from  netip.Prefix
	since time.Time
	evict func() // set once the connection can be ended
}

// patience is how long a connection may take to log in before it makes room for another.
const patience = 2 * time.Second

func newStartups(limit int) *startups {
	return &startups{limit: limit, waiting: list.New(), bySource: map[netip.Prefix]int{}}
}

// enter counts a connection in, of a source that may have so many. leave counts it out again, once, however often it is called; whoever enters
// tells, with evictable, how it can be ended.
func (s *startups) enter(source netip.Addr, places int, now time.Time) (here *list.Element, leave func(), ok bool) {
	from := network(source)
	s.mu.Lock()
	room, evict := s.makeRoom(from, places, now)
	if !room {
		s.mu.Unlock()
		return nil, nil, false
	}
	here = s.waiting.PushBack(&startup{from: from, since: now})
	s.bySource[from]++
	s.mu.Unlock()
	evict()
	return here, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting.Remove(here)
		if s.bySource[from]--; s.bySource[from] == 0 {
			delete(s.bySource, from)
		}
	}), true
}

// makeRoom sees to it that one more fits, and returns what ends the connection that has to go for it: the one that has waited longest, of its own
// source where that has no place left.
func (s *startups) makeRoom(from netip.Prefix, places int, now time.Time) (room bool, evict func()) {
	full := from.IsValid() && s.bySource[from] >= places
	if !full && s.waiting.Len() < s.limit {
		return true, func() {}
	}
	oldest := s.waiting.Front()
	for full && oldest != nil && oldest.Value.(*startup).from != from {
		oldest = oldest.Next()
	}
	if oldest == nil {
		return false, nil
	}
	who := oldest.Value.(*startup)
	if who.evict == nil || now.Sub(who.since) < patience {
		return false, nil
	}
	s.waiting.Remove(oldest)
	return true, who.evict
}

// evictable tells how a connection that has entered can be ended.
func (s *startups) evictable(here *list.Element, evict func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	here.Value.(*startup).evict = evict
}

// network is what one customer of a provider holds: an IPv4 address, or an IPv6 /64.
func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // the zero address: a Unix socket
	}
	return p
}
