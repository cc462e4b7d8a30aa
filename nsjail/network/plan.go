package network

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultRange is where pods have their addresses, where the operator says nothing else.
const DefaultRange = "10.214.0.0/18"

// linkPrefix begins the name of each pod's link; the rules go by it.
const linkPrefix = "fg"

// plan says which addresses a slot has: the range is cut into /30s (RFC 1878: two ends, network and broadcast).
type plan struct{ pods netip.Prefix }

// newPlan takes a private range with room for a link.
func newPlan(text string) (plan, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || p != p.Masked() || !p.Addr().Is4() || p.Bits() > 30 || p.Bits() < 12 || !p.Addr().IsPrivate() {
		return plan{}, fmt.Errorf("cannot give pods addresses from %q: it has to be a range of private IPv4 addresses, /12 to /30, such as %s", text, DefaultRange)
	}
	return plan{p}, nil
}

func (p plan) slots() int { return 1 << (30 - p.pods.Bits()) }

func (p plan) link(slot int) (link, error) {
	if slot < 0 || slot >= p.slots() {
		return link{}, fmt.Errorf("there is no slot %d: %s has room for 0 to %d", slot, p.pods, p.slots()-1)
	}
	base := p.pods.Addr().As4()
	network := binary.BigEndian.Uint32(base[:]) + uint32(slot)*4
	return link{Name: linkPrefix + strconv.Itoa(slot), Host: end(network + 1), Pod: end(network + 2)}, nil
}

func end(address uint32) netip.Prefix {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], address)
	return netip.PrefixFrom(netip.AddrFrom4(b), 30)
}

// slotOf is the slot of a pod's link, and false for any other interface.
func slotOf(name string) (int, bool) {
	digits, ours := strings.CutPrefix(name, linkPrefix)
	slot, err := strconv.Atoi(digits)
	return slot, ours && err == nil && linkPrefix+strconv.Itoa(slot) == name
}
