package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"forkgate/gate"
)

// die makes bounds at random, from few values, so that equal and overlapping ones are common.
type die struct{ *rand.Rand }

func (d die) amount() uint64 { return []uint64{0, 0, 100, 200, 300}[d.IntN(5)] }

func (d die) bounds() bounds {
	b := bounds{quota: d.amount(), memory: d.amount(), pids: d.amount(), cpu: d.amount(), io: d.amount()}
	if d.IntN(4) > 0 {
		b.egress = d.reaches()
	}
	return b
}

func (d die) reaches() *reaches {
	all := reaches{}
	for range d.IntN(5) {
		all = append(all, d.reach())
	}
	all = all.normal()
	return &all
}

func (d die) reach() reach {
	if d.IntN(8) == 0 {
		return reach{any: true}
	}
	network := []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0"}[d.IntN(8)]
	r := reach{network: netip.MustParsePrefix(network), port: []uint16{0, 0, 53, 443}[d.IntN(4)]}
	if r.port != 0 {
		r.protocol = []string{"", "tcp", "udp"}[d.IntN(3)]
	}
	return r
}

// Merging has an order neither of pairs nor of rows, the same twice is the same, and its zero changes nothing.
func TestMergeLaws(t *testing.T) {
	d := die{rand.New(rand.NewPCG(3, 5))}
	same := func(law string, a, b bounds) {
		t.Helper()
		if diff := cmp.Diff(a.stated(), b.stated()); diff != "" {
			t.Fatalf("%s:\n%s", law, diff)
		}
	}
	for range 20_000 {
		a, b, c := d.bounds(), d.bounds(), d.bounds()
		same("commutative", a.merge(b), b.merge(a))
		same("associative", a.merge(b).merge(c), a.merge(b.merge(c)))
		same("idempotent", a.merge(a), a)
		same("zero", a.merge(bounds{}), a)
		same("absorbing", a.merge(b).merge(a), a.merge(b))
	}
}

// What both rules let through, their intersection does, and nothing else: by the plain meaning of each element.
func TestIntersectionLetsThroughWhatBothDo(t *testing.T) {
	d := die{rand.New(rand.NewPCG(7, 11))}
	hits := 0
	for range 20_000 {
		a, b := d.reaches(), d.reaches()
		both := a.intersect(b)
		for _, address := range []string{"10.9.9.9", "10.1.9.9", "10.1.2.9", "10.1.2.3", "192.0.2.1", "203.0.113.1", "2001:db8::1", "2001:db9::1"} {
			for _, port := range []uint16{53, 443, 80} {
				for _, protocol := range []string{"tcp", "udp"} {
					to := netip.MustParseAddr(address)
					want := lets(a, to, port, protocol) && lets(b, to, port, protocol)
					if got := lets(both, to, port, protocol); got != want {
						t.Fatalf("%v and %v make %v, which says %t of %s %s %d", a.texts(), b.texts(), both.texts(), got, protocol, to, port)
					} else if got {
						hits++
					}
				}
			}
		}
	}
	if hits == 0 {
		t.Error("nothing was ever let through: this test tried nothing")
	}
}

func lets(r *reaches, to netip.Addr, port uint16, protocol string) bool {
	return slices.ContainsFunc(*r, func(one reach) bool {
		return one.any || one.network.Contains(to) && (one.port == 0 || one.port == port) && (one.protocol == "" || one.protocol == protocol)
	})
}

func TestEgressIsReadAsItIsWritten(t *testing.T) {
	for _, text := range []string{"*", "10.0.0.0/8", "10.1.2.3/32:443", "10.1.2.3/32:53/udp", "2001:db8::/32", "2001:db8::/32:443/tcp", "0.0.0.0/0:80"} {
		if r, err := parseReach(text); err != nil || r.String() != text {
			t.Errorf("%s is %s, %v", text, r, err)
		}
	}
	for _, text := range []string{"", "**", "10.0.0.1", "10.0.0.0/8:", "10.0.0.0/8:0", "10.0.0.0/8:65536", "10.0.0.0/8:80/", "10.0.0.0/8:80/TCP",
		"10.0.0.0/33", "10.0.0.0/8/tcp", "example.com:443", "10.0.0.0/8 ", "-10.0.0.0/8", "fe80::%eth0/64"} {
		if r, err := parseReach(text); err == nil {
			t.Errorf("%q is %s", text, r)
		}
	}
}

func TestDefaultLimits(t *testing.T) {
	want := gate.Limits{Quota: 20 << 30, Memory: 4 << 30, Pids: 2048, CPU: 200}
	if diff := cmp.Diff(want, DefaultLimits()); diff != "" {
		t.Error(diff)
	}
	if got, want := fmt.Sprint(DefaultLimits()), "quota 20GiB, memory 4GiB, pids 2048, cpu 2, egress nothing"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
