package door

import (
	"cmp"
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// startups counts the connections that have not authenticated yet, in all and by source. It is what sshd_config(5) calls MaxStartups and
// PerSourceMaxStartups, twice over: sources from which somebody has logged in have places that strangers cannot take. When all are taken, whoever
// holds many makes room for who holds few, and else who has waited longest: a login takes a moment, so that connections which only sit there shut
// nobody out. So it is with the few places of a source that pays a penalty.
type startups struct {
	limit int // of each kind

	mu               sync.Mutex
	known, strangers *list.List // of *startup, the oldest first
	bySource         map[netip.Prefix]int
}

// startup is one connection that has not authenticated.
type startup struct {
	from  netip.Prefix
	since time.Time
	among *list.List // it waits there
	evict func()     // set once the connection can be ended
}

// patience is how long a connection may take to log in before it makes room for another, of a source that holds no fewer places than its own.
const patience = 2 * time.Second

func newStartups(limit int) *startups {
	return &startups{limit: limit, known: list.New(), strangers: list.New(), bySource: map[netip.Prefix]int{}}
}

// enter counts a connection in, of a source that stands so. leave counts it out again, once, however often it is called; whoever enters tells, with
// evictable, how it can be ended.
func (s *startups) enter(source netip.Addr, stands standing, now time.Time) (here *list.Element, leave func(), ok bool) {
	from, waiting := network(source), s.strangers
	if stands.known {
		waiting = s.known
	}
	s.mu.Lock()
	evict, ok := s.makeRoom(waiting, from, stands.places, now)
	if !ok {
		s.mu.Unlock()
		return nil, nil, false
	}
	here = waiting.PushBack(&startup{from: from, since: now, among: waiting})
	s.bySource[from]++
	s.mu.Unlock()
	evict()
	return here, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		waiting.Remove(here)
		if s.bySource[from]--; s.bySource[from] == 0 {
			delete(s.bySource, from)
		}
	}), true
}

// makeRoom sees to it that one more fits, and returns what ends the connection that has to go for it.
func (s *startups) makeRoom(waiting *list.List, from netip.Prefix, places int, now time.Time) (evict func(), room bool) {
	var goes *list.Element
	switch {
	case from.IsValid() && s.bySource[from] >= places:
		if goes = oldest(waiting, from); goes == nil { // it has become known, or is not any more
			goes = cmp.Or(oldest(s.known, from), oldest(s.strangers, from))
		}
		if !outstays(goes, now) {
			return nil, false
		}
	case waiting.Len() < s.limit:
		return func() {}, true
	default:
		if goes = oldest(waiting, s.greediest(waiting, s.bySource[from]+1)); goes == nil {
			if goes = waiting.Front(); !outstays(goes, now) {
				return nil, false
			}
		}
	}
	who := goes.Value.(*startup)
	who.among.Remove(goes)
	return who.evict, true
}

// outstays reports whether a connection, if there is one, has had its time.
func outstays(e *list.Element, now time.Time) bool {
	return e != nil && e.Value.(*startup).evict != nil && now.Sub(e.Value.(*startup).since) >= patience
}

// greediest is the source that holds most places, and more than so many; else none.
func (s *startups) greediest(waiting *list.List, than int) (from netip.Prefix) {
	for e := waiting.Front(); e != nil; e = e.Next() {
		if one := e.Value.(*startup).from; one.IsValid() && s.bySource[one] > than {
			from, than = one, s.bySource[one]
		}
	}
	return from
}

// oldest is the connection of a source that has waited longest, and can be ended.
func oldest(waiting *list.List, from netip.Prefix) *list.Element {
	for e := waiting.Front(); e != nil && from.IsValid(); e = e.Next() {
		if one := e.Value.(*startup); one.from == from && one.evict != nil {
			return e
		}
	}
	return nil
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
