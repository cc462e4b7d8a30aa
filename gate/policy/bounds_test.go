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

func (d die) reach() gate.Egress {
	network := []string{"*", "8.0.0.0/6", "8.8.8.0/24", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "192.0.2.0/24",
		"0.0.0.0/0", "[::/0]", "[2600::/12]", "[2606:4700::/32]", "[fd00::/8]", "[fd12::/16]"}[d.IntN(14)]
	e, err := gate.ParseEgress(network + []string{"", "", ":53", ":53/udp", ":443", ":443/tcp"}[d.IntN(6)])
	if err != nil {
		panic(err)
	}
	return e
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
	for range 2_000 {
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
	for range 2_000 {
		a, b := d.reaches(), d.reaches()
		both := a.intersect(b)
		for _, address := range []string{"10.9.9.9", "10.1.9.9", "10.1.2.9", "10.1.2.3", "192.0.2.1", "8.8.8.8", "9.9.9.9", "1.1.1.1", "2606:4700::1", "2a00::1", "fd12::1", "fd34::1"} {
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

// lets is what an element means: a private address is opened by what lies within a private range alone.
func lets(r *reaches, to netip.Addr, port uint16, protocol string) bool {
	private := slices.ContainsFunc(append(gate.Private(), gate.Private6()...), func(p netip.Prefix) bool { return p.Contains(to) })
	return slices.ContainsFunc(*r, func(one gate.Egress) bool {
		return (one.All || one.Prefix.Contains(to)) && one.Private() == private && (one.Port == 0 || one.Port == port) && (one.Proto == "" || one.Proto == protocol)
	})
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
