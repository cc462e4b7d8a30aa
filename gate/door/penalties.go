package door

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// What a connection that has not authenticated costs its source: time, during which that is trusted less. As sshd_config(5) has it in
// PerSourcePenalties, but that nobody is locked out: behind one address there may be many.
const (
	costFailed   = 5 * time.Second  // it tried keys, or whatever else, and none was somebody's
	costNonsense = 5 * time.Second  // it did not speak SSH
	costSlow     = 10 * time.Second // it took all of its time
	costIdle     = time.Second      // it left without having tried, or had to make room for another one

	leastDebt = 15 * time.Second // below which nothing follows: everybody mistypes
	mostDebt  = 10 * time.Minute
	trusted   = 12 * time.Hour // how long a login speaks for its source

	// maxSources bounds both tables, to some 4 MiB together. Whoever has more addresses than that gets the oldest forgotten, and pays with many.
	maxSources = 16384
)

// penalties are what sources have run up.
type penalties struct {
	exempt []netip.Prefix

	mu    sync.Mutex
	debts *terms // which lapse by themselves: a second each second
	trust *terms // of its own, as strangers without number must not get it forgotten
}

func newPenalties(exempt []netip.Prefix) *penalties {
	return &penalties{exempt: exempt, debts: newTerms(), trust: newTerms()}
}

// charge makes a source pay.
func (p *penalties) charge(source netip.Addr, cost time.Duration, now time.Time) {
	from := network(source)
	if !from.IsValid() || p.isExempt(source) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.debts.set(from, now.Add(min(p.debts.left(from, now)+cost, mostDebt)), now)
}

// welcome takes note of a login.
func (p *penalties) welcome(source netip.Addr, now time.Time) {
	from := network(source)
	if !from.IsValid() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trust.set(from, now.Add(trusted), now)
}

// standing is what a source may have: so many of its places at once, and a part of the time, as one over so much. One that is known takes them from
// among those that strangers cannot take.
type standing struct {
	places, haste int
	known         bool
}

// standing says what is left to a source of the places that each has. It is never none.
func (p *penalties) standing(source netip.Addr, places int, now time.Time) standing {
	from := network(source)
	if p.isExempt(source) {
		return standing{places, 1, true}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known := !from.IsValid() || p.trust.left(from, now) > 0
	switch debt := p.debts.left(from, now); {
	case debt < leastDebt:
		return standing{places, 1, known}
	case known: // whose logins would be closed on with the others'
		return standing{places, 2, known}
	case debt < 4*leastDebt:
		return standing{max(places/2, 1), 2, known}
	default:
		return standing{max(places/5, 1), 4, known}
	}
}

func (p *penalties) isExempt(source netip.Addr) bool {
	return slices.ContainsFunc(p.exempt, func(n netip.Prefix) bool { return n.Contains(source) })
}

// penalized counts the sources that pay.
func (p *penalties) penalized(now time.Time) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for from := range p.debts.until {
		if p.debts.left(from, now) >= leastDebt {
			n++
		}
	}
	return n
}

// terms say until when something holds, for each of at most maxSources sources.
type terms struct {
	until map[netip.Prefix]*list.Element // of term
	order *list.List                     // by when they were set, the oldest first
}

type term struct {
	from netip.Prefix
	end  time.Time
}

func newTerms() *terms { return &terms{map[netip.Prefix]*list.Element{}, list.New()} }

func (t *terms) left(from netip.Prefix, now time.Time) time.Duration {
	e, ok := t.until[from]
	if !ok {
		return 0
	}
	return max(e.Value.(term).end.Sub(now), 0)
}

// set takes the place of what was set before. Of the oldest it forgets those that are over, two at a time, and one more where there is no room.
func (t *terms) set(from netip.Prefix, end, now time.Time) {
	t.forget(from)
	for range 2 {
		if oldest := t.order.Front(); oldest != nil && !oldest.Value.(term).end.After(now) {
			t.forget(oldest.Value.(term).from)
		}
	}
	if t.order.Len() >= maxSources {
		t.forget(t.order.Front().Value.(term).from)
	}
	t.until[from] = t.order.PushBack(term{from, end})
}

func (t *terms) forget(from netip.Prefix) {
	if e, ok := t.until[from]; ok {
		t.order.Remove(e)
		delete(t.until, from)
	}
}
