package door

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// startups counts the connections that have not authenticated yet, in all and by source. It is what sshd_config(5) calls
// MaxStartups and PerSourceMaxStartups. When the total is reached, who has waited longest makes room: a login takes a moment, so
// that connections which only sit there shut nobody out.
type startups struct {
	limit, limitPerSource int

	mu       sync.Mutex
	waiting  *list.List // of *startup, the oldest first
	bySource map[netip.Prefix]int
	said     time.Time
}

// startup is one connection that has not authenticated.
type startup struct {
	since time.Time
	evict func() // set once the connection can be ended
}

// patience is how long a connection may take to log in before it makes room for another.
const patience = 2 * time.Second

func newStartups(limit, perSource int) *startups {
	return &startups{limit: limit, limitPerSource: perSource, waiting: list.New(), bySource: map[netip.Prefix]int{}}
}

// enter counts a connection in. leave counts it out again, once, however often it is called; whoever enters tells, with
// evictable, how it can be ended.
func (s *startups) enter(source netip.Addr, now time.Time) (here *list.Element, leave func(), ok bool) {
	from := network(source)
	s.mu.Lock()
	room, evict := !from.IsValid() || s.bySource[from] < s.limitPerSource, func() {}
	if room {
		room, evict = s.makeRoom(now)
	}
	if !room {
		s.mu.Unlock()
		return nil, nil, false
	}
	here = s.waiting.PushBack(&startup{since: now})
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

// makeRoom sees to it that one more fits, and returns what ends the connection that has to go for it.
func (s *startups) makeRoom(now time.Time) (room bool, evict func()) {
	if s.waiting.Len() < s.limit {
		return true, func() {}
	}
	oldest := s.waiting.Front().Value.(*startup)
	if oldest.evict == nil || now.Sub(oldest.since) < patience {
		return false, nil
	}
	s.waiting.Remove(s.waiting.Front())
	return true, oldest.evict
}

// evictable tells how a connection that has entered can be ended.
func (s *startups) evictable(here *list.Element, evict func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	here.Value.(*startup).evict = evict
}

// worthSaying is true once a minute: a flood must not flood the log as well.
func (s *startups) worthSaying(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.said) < time.Minute {
		return false
	}
	s.said = now
	return true
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
