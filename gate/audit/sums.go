package audit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"forkgate/gate"
)

const (
	// ownLines is how many refusals of one principal have lines of their own, before they are a line each second.
	ownLines = 300
	// maxSummed bounds how many principals are remembered.
	maxSummed = 1 << 12
)

// sums counts refusals that come by the hundred: who is refused all the time could fill the disk with that.
type sums struct {
	mu  sync.Mutex
	all map[string]*sum // by principal
}

type sum struct {
	limit *rate.Limiter
	count int
	last  gate.Request
}

// takes reports whether a refusal is counted, and so has no line.
func (s *sums) takes(now time.Time, r gate.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil || len(s.all) > maxSummed {
		s.all = map[string]*sum{}
	}
	one := s.all[r.Caller.Principal]
	if one == nil {
		one = &sum{limit: rate.NewLimiter(1, ownLines)}
		s.all[r.Caller.Principal] = one
	}
	if one.limit.AllowN(now, 1) {
		return false
	}
	one.count++
	one.last = r
	return true
}

// drain returns what was counted since the last time.
func (s *sums) drain() (counted []sum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if one.count > 0 {
			counted = append(counted, *one)
			one.count = 0
		}
	}
	return counted
}

// sumUp writes a line for each principal of whom refusals were counted.
func (l *Log) sumUp() {
	for _, one := range l.sums.drain() {
		e := entry(EventSummed, "", one.last)
		e.Count, e.Verdict, e.Reason = one.count, gate.Forbid.String(), "so many refusals since the last such line have none of their own; the last of them was like this"
		_ = l.write(e) // which has said so
	}
}
