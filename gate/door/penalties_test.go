package door

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

var (
	someone   = netip.MustParseAddr("192.0.2.1")
	noPenalty = standing{10, 1, false}
)

// What a source runs up takes places and time from it, never all of them, and lapses.
func TestPenaltiesAddUpAndLapse(t *testing.T) {
	t.Parallel()
	p, now := newPenalties(nil), time.Now()
	expect := func(when string, want standing) {
		t.Helper()
		if got := p.standing(someone, 10, now); got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	expect("at first", noPenalty)
	p.charge(someone, costFailed, now)
	p.charge(someone, costFailed, now)
	expect("after two failures", noPenalty)
	p.charge(someone, costFailed, now)
	expect("after three", standing{5, 2, false})
	now = now.Add(time.Second)
	expect("a second later", noPenalty)
	for range 1000 {
		p.charge(someone, costFailed, now)
	}
	expect("after a thousand", standing{2, 4, false})
	if got := p.standing(someone, 1, now); got.places != 1 {
		t.Errorf("nothing is left of one place: %+v", got)
	}
	if n := p.penalized(now); n != 1 {
		t.Errorf("%d sources pay", n)
	}
	now = now.Add(mostDebt - leastDebt)
	expect("nearly ten minutes later", standing{5, 2, false})
	now = now.Add(leastDebt)
	expect("ten minutes later", noPenalty)
	if n := p.penalized(now); n != 0 {
		t.Errorf("%d sources pay", n)
	}
}

// A client that connects once a second and leaves, as what watches a port does, never pays.
func TestWatchingAPortIsFree(t *testing.T) {
	t.Parallel()
	p, now := newPenalties(nil), time.Now()
	for range 1000 {
		p.charge(someone, costIdle, now)
		now = now.Add(time.Second)
	}
	if got := p.standing(someone, 10, now); got != noPenalty {
		t.Errorf("%+v", got)
	}
}

// Neighbours in an IPv6 /64 pay together, and nobody else with them; Unix sockets never.
func TestWhoPays(t *testing.T) {
	t.Parallel()
	p, now := newPenalties([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}), time.Now()
	for _, source := range []netip.Addr{
		someone, netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db8:1:2::3"), {},
	} {
		p.charge(source, mostDebt, now)
	}
	for source, want := range map[string]standing{
		"192.0.2.1": {2, 4, false}, "192.0.2.2": noPenalty, "2001:db8::2": {2, 4, false}, "2001:db8:0:1::1": noPenalty,
		"10.1.2.3": {10, 1, true}, "2001:db8:1:2::3": {10, 1, true},
	} {
		if got := p.standing(netip.MustParseAddr(source), 10, now); got != want {
			t.Errorf("%s: %+v", source, got)
		}
	}
	if got := p.standing(netip.Addr{}, 10, now); got != (standing{10, 1, true}) {
		t.Errorf("a Unix socket: %+v", got)
	}
}

// Where somebody has logged in lately all places stay, and half of the time, whatever else comes from there.
func TestALoginIsTrusted(t *testing.T) {
	t.Parallel()
	p, now := newPenalties(nil), time.Now()
	p.welcome(someone, now)
	p.charge(someone, mostDebt, now)
	if got := p.standing(someone, 10, now); got != (standing{10, 2, true}) {
		t.Errorf("after a login: %+v", got)
	}
	now = now.Add(trusted)
	p.charge(someone, mostDebt, now)
	if got := p.standing(someone, 10, now); got != (standing{2, 4, false}) {
		t.Errorf("long after a login: %+v", got)
	}
}

// A million sources take bounded memory, and make nobody forget who logged in.
func TestAMillionSources(t *testing.T) {
	p, now := newPenalties(nil), time.Now()
	p.welcome(someone, now)
	before := heap()
	var a [16]byte
	a[0] = 0x20
	for n := range uint64(1 << 20) {
		binary.BigEndian.PutUint64(a[:], 0x20<<56|n)
		p.charge(netip.AddrFrom16(a), costFailed, now)
	}
	grown := heap() - before
	t.Logf("a million sources take %d KiB", grown>>10)
	if n := len(p.debts.until); n != maxSources || p.debts.order.Len() != n {
		t.Errorf("%d sources are remembered, and %d in order", n, p.debts.order.Len())
	}
	if grown > 8<<20 {
		t.Errorf("they take %d bytes", grown)
	}
	if p.trust.left(network(someone), now) == 0 {
		t.Error("they made it forget a login")
	}
	last := netip.AddrFrom16(a)
	for range 3 {
		p.charge(last, costFailed, now)
	}
	if p.standing(last, 10, now) == noPenalty {
		t.Error("with full tables nobody pays any more")
	}
	later := now.Add(time.Hour)
	for range maxSources {
		p.charge(someone, costIdle, later)
	}
	if n := len(p.debts.until); n != 1 {
		t.Errorf("%d sources are remembered of which nothing is left", n)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
