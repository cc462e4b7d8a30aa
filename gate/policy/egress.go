package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// reach is one thing that connections may go to: a network, or one port of it, by one protocol or by both.
type reach struct {
	any      bool // anything but what is never reachable; the rest is zero then
	network  netip.Prefix
	port     uint16 // 0: every port
	protocol string // tcp, udp; empty: both
}

// reaches is what a rule lets connections go to. It is in normal form: sorted, and without an element that another includes.
// So two that let the same through are equal.
type reaches []reach

// intersect is what both let through. nil lets everything through: a rule that does not speak of egress.
func (r *reaches) intersect(other *reaches) *reaches {
	switch {
	case r == nil:
		return other
	case other == nil:
		return r
	}
	both := reaches{}
	for _, a := range *r {
		for _, b := range *other {
			if c, ok := a.meet(b); ok {
				both = append(both, c)
			}
		}
	}
	both = both.normal()
	return &both
}

// meet is what two elements have in common.
func (r reach) meet(other reach) (reach, bool) {
	switch {
	case r.any:
		return other, true
	case other.any:
		return r, true
	case !r.network.Overlaps(other.network):
		return reach{}, false
	case r.port != 0 && other.port != 0 && r.port != other.port:
		return reach{}, false
	case r.protocol != "" && other.protocol != "" && r.protocol != other.protocol:
		return reach{}, false
	}
	narrow := r.network
	if other.network.Bits() > narrow.Bits() {
		narrow = other.network
	}
	return reach{network: narrow, port: max(r.port, other.port), protocol: max(r.protocol, other.protocol)}, true
}

// normal sorts, and drops what another element includes.
func (r reaches) normal() reaches {
	kept := reaches{}
	for i, one := range r {
		included := slices.ContainsFunc(r[:i], func(o reach) bool { return o == one })
		for _, o := range r {
			common, ok := one.meet(o)
			included = included || o != one && ok && common == one
		}
		if !included {
			kept = append(kept, one)
		}
	}
	slices.SortFunc(kept, func(a, b reach) int { return cmp.Compare(a.String(), b.String()) })
	return kept
}

// String is the element as policy files write it.
func (r reach) String() string {
	if r.any {
		return "*"
	}
	text := r.network.String()
	if r.port != 0 {
		text += ":" + strconv.Itoa(int(r.port))
	}
	if r.protocol != "" {
		text += "/" + r.protocol
	}
	return text
}

// parseReach reads "*", or CIDR[:PORT[/tcp|udp]].
func parseReach(text string) (reach, error) {
	if text == "*" {
		return reach{any: true}, nil
	}
	r := reach{}
	address, rest, _ := strings.Cut(text, "/")
	bits, port, hasPort := strings.Cut(rest, ":")
	network, err := netip.ParsePrefix(address + "/" + bits)
	if err != nil {
		return reach{}, errors.New("write it like \"10.1.2.0/24\", \"10.1.2.3/32:443\" or \"10.1.2.3/32:53/udp\", or \"*\" for anything")
	}
	if network != network.Masked() {
		return reach{}, fmt.Errorf("the network is %s", network.Masked())
	}
	if network.Addr().Is4In6() {
		return reach{}, fmt.Errorf("IPv4 addresses are written as such: %s", network.Addr().Unmap())
	}
	r.network = network
	if !hasPort {
		return r, nil
	}
	number, protocol, hasProtocol := strings.Cut(port, "/")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return reach{}, fmt.Errorf("a port is 1 to 65535, not %s", quoted(number))
	}
	if hasProtocol && protocol != "tcp" && protocol != "udp" {
		return reach{}, fmt.Errorf("a protocol is tcp or udp, not %s", quoted(protocol))
	}
	r.port, r.protocol = uint16(n), protocol
	return r, nil
}

// egress reads where connections may go; nil where the attribute is missing.
func (f *fields) egress(name string) *reaches {
	if !f.has(name) {
		return nil
	}
	all := reaches{}
	for _, item := range f.list(name) {
		one, err := parseReach(item.text)
		if err != nil {
			f.complain(item.at, "Malformed egress", "%s cannot be reached: %v.", quoted(item.text), err)
			continue
		}
		all = append(all, one)
	}
	all = all.normal()
	return &all
}

func (r *reaches) texts() []string {
	if r == nil {
		return nil
	}
	texts := []string{}
	for _, one := range *r {
		texts = append(texts, one.String())
	}
	return texts
}
