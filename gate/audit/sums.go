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
	// ownEgress is as ownLines, of what one pod is denied.
	ownEgress = 200
)

// sums counts what comes by the hundred: who is refused all the time, or touches a million files, could fill the disk with that.
type sums struct {
	own int // lines, before they are one each second
	mu  sync.Mutex
	all map[string]*sum // by principal, or by GUID of what no principal did
}

type sum struct {
	limit *rate.Limiter
	count int
	last  Entry
}

// takes reports whether what e tells of is counted, and so has no line. It weighs as much as so many lines.
func (s *sums) takes(now time.Time, e Entry, weight int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of(e.whose())
	if one.limit.AllowN(now, weight) {
		return false
	}
	one.count += max(1, e.Count)
	one.last = e
	return true
}

// add counts what has come to so many, all like e.
func (s *sums) add(e Entry, many int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of(e.whose())
	one.count += many
	one.last = e
}

func (e Entry) whose() string {
	if e.Principal == "" {
		return e.GUID
	}
	return e.Principal
}

func (s *sums) of(principal string) *sum {
	if s.all == nil || len(s.all) > maxSummed {
		s.all = map[string]*sum{}
	}
	one := s.all[principal]
	if one == nil {
		one = &sum{limit: rate.NewLimiter(1, s.own)}
		s.all[principal] = one
	}
	return one
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

// sumUp writes a line for each principal of whom something was counted.
func (l *Log) sumUp() {
	for _, one := range l.refusals.drain() {
		one.last.Verdict = gate.Forbid.String()
		l.summed(one, "so many refusals since the last such line have none of their own; the last of them was like this")
	}
	for _, one := range l.egress.drain() {
		l.summed(one, "so much that a pod was denied since the last such line has none of its own; the last of it was like this")
	}
	for _, one := range l.files.drain() {
		l.summed(one, "so many operations on files since the last such line have none of their own; the last of them was like this")
	}
}

func (l *Log) summed(one sum, what string) {
	e := one.last
	e.Event, e.Session, e.Rule, e.Where, e.Count, e.Reason = EventSummed, "", "", "", one.count, what
	_ = l.write(e) // which has said so
}
