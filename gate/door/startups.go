package door

import (
	"net/netip"
	"sync"
	"time"
)

// startups counts the connections that have not authenticated yet, in all and by source. It is what sshd_config(5) calls
// MaxStartups and PerSourceMaxStartups, without chance: a number is the limit.
type startups struct {
	limit, limitPerSource int

	mu       sync.Mutex
	total    int
	bySource map[netip.Prefix]int
	said     time.Time
}

func newStartups(limit, perSource int) *startups {
	return &startups{limit: limit, limitPerSource: perSource, bySource: map[netip.Prefix]int{}}
}

// enter counts a connection in. leave counts it out again, once, however often it is called.
func (s *startups) enter(source netip.Addr) (leave func(), ok bool) {
	from := network(source)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= s.limit || from.IsValid() && s.bySource[from] >= s.limitPerSource {
		return nil, false
	}
	s.total++
	s.bySource[from]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.total--
		if s.bySource[from]--; s.bySource[from] == 0 {
			delete(s.bySource, from)
		}
	}), true
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
