package network

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"forkgate/gate"
)

// DefaultRange is where pods have their addresses, where the operator says nothing else.
const DefaultRange = "10.214.0.0/18"

// linkPrefix begins the name of each pod's link; the rules go by it.
const linkPrefix = "fg"

// plan says which addresses a slot has: the range is cut into /30s (RFC 1878: two ends, network and broadcast), and that of IPv6, which
// there need not be, into /127s (RFC 6164: two ends).
type plan struct{ pods, pods6 netip.Prefix }

// newPlan takes private ranges with room for a link, the second of them empty or with room for as many as the first.
func newPlan(text, text6 string) (plan, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || p != p.Masked() || !p.Addr().Is4() || p.Bits() > 30 || p.Bits() < 12 || !p.Addr().IsPrivate() {
		return plan{}, fmt.Errorf("cannot give pods addresses from %q: it has to be a range of private IPv4 addresses, /12 to /30, such as %s", text, DefaultRange)
	}
	if text6 == "" {
		return plan{pods: p}, nil
	}
	p6, err := netip.ParsePrefix(text6)
	least := 127 - (30 - p.Bits())
	if err != nil || p6 != p6.Masked() || !uniqueLocal.Contains(p6.Addr()) || p6.Bits() < 32 || p6.Bits() > least {
		return plan{}, fmt.Errorf("cannot give pods IPv6 addresses from %q: it has to be a range of unique local addresses (fd00::/8), /32 to /%d, "+
			"such as fd3c:91d7:52ae::/64, with ten digits behind fd that you throw dice for (RFC 4193)", text6, least)
	}
	for _, n := range gate.NeverReached6() {
		if n.Overlaps(p6) {
			return plan{}, fmt.Errorf("cannot give pods IPv6 addresses from %q: %s is where clouds have services of theirs; choose another one", text6, n)
		}
	}
	return plan{p, p6}, nil
}

// uniqueLocal is the half of fc00::/7 of which everybody may take at random (RFC 4193, 3.1).
var uniqueLocal = netip.MustParsePrefix("fd00::/8")

// six reports whether pods have IPv6.
func (p plan) six() bool { return p.pods6.IsValid() }

func (p plan) slots() int { return 1 << (30 - p.pods.Bits()) }

func (p plan) link(slot int) (link, error) {
	if slot < 0 || slot >= p.slots() {
		return link{}, fmt.Errorf("there is no slot %d: %s has room for 0 to %d", slot, p.pods, p.slots()-1)
	}
	base := p.pods.Addr().As4()
	network := binary.BigEndian.Uint32(base[:]) + uint32(slot)*4
	l := link{Name: linkPrefix + strconv.Itoa(slot), Host: end(network + 1), Pod: end(network + 2)}
	if p.six() {
		l.Host6, l.Pod6 = end6(p.pods6, 2*slot), end6(p.pods6, 2*slot+1)
	}
	return l, nil
}

func end(address uint32) netip.Prefix {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], address)
	return netip.PrefixFrom(netip.AddrFrom4(b), 30)
}

// end6 is an address of the range by its number: there are no more of those than 32 bits hold.
func end6(of netip.Prefix, number int) netip.Prefix {
	b := of.Addr().As16()
	low := b[12:]
	binary.BigEndian.PutUint32(low, binary.BigEndian.Uint32(low)|uint32(number))
	return netip.PrefixFrom(netip.AddrFrom16(b), 127)
}

// slotOf is the slot of a pod's link, and false for any other interface.
func slotOf(name string) (int, bool) {
	digits, ours := strings.CutPrefix(name, linkPrefix)
	slot, err := strconv.Atoi(digits)
	return slot, ours && err == nil && linkPrefix+strconv.Itoa(slot) == name
}
