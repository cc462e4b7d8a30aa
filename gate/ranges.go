package gate

import (
	"net/netip"
	"strings"
)

// never are addresses that no pod reaches whatever policy says: this host, its link, everybody at once, and where clouds keep
// the machine's credentials (IANA IPv4 Special-Purpose Address Registry; the documentation of Azure, Alibaba and Oracle Cloud).
var never = prefixes("0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32 100.100.100.200/32 192.0.0.192/32")

// private are addresses that "*" does not open, as they are somebody's own network. An egress that lies within one opens it.
var private = prefixes("10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 " +
	"198.18.0.0/15 198.51.100.0/24 203.0.113.0/24")

// never6 are those of IPv6: nobody, this host and IPv4 addresses in the clothes of IPv6 (::/16); the link and everybody at once; what
// is discarded; metadata services and their like, of AWS, Google, Oracle and Scaleway, by their documentation; and tunnels that lead to
// an IPv4 address: Teredo, 6to4 and the local range of NAT64 (IANA IPv6 Special-Purpose Address Registry; RFC 4291, 4380, 3056, 8215).
// Of the well-known range of NAT64 (RFC 6052) those addresses, that stand for an IPv4 address which is never reached.
var never6 = append(prefixes("::/16 fe80::/10 ff00::/8 100::/64 fd00:ec2::/32 fd20:ce::/64 fd00:c1::/64 fd00:42::/64 2001::/32 2002::/16 64:ff9b:1::/48"),
	translated(never)...)

// private6 is all that is not given out as public (2000::/3), or for protocols and documentation: unique local addresses (fc00::/7,
// RFC 4193), site-local ones, NAT64, and what is reserved.
var private6 = prefixes("::/3 2001::/23 2001:db8::/32 3fff::/20 4000::/2 8000::/1")

func prefixes(list string) (all []netip.Prefix) {
	for _, p := range strings.Fields(list) {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// translated are IPv4 ranges behind NAT64's well-known prefix.
func translated(ranges []netip.Prefix) (all []netip.Prefix) {
	for _, p := range ranges {
		address := netip.MustParseAddr("64:ff9b::").As16()
		copy(address[12:], p.Addr().AsSlice())
		all = append(all, netip.PrefixFrom(netip.AddrFrom16(address), 96+p.Bits()))
	}
	return all
}

// NeverReached and Private are the ranges that an Egress is judged by, of IPv4; the rules of the network are made from them.
func NeverReached() []netip.Prefix { return append([]netip.Prefix(nil), never...) }

// Private is documented with NeverReached.
func Private() []netip.Prefix { return append([]netip.Prefix(nil), private...) }

// NeverReached6 and Private6 are the same of IPv6.
func NeverReached6() []netip.Prefix { return append([]netip.Prefix(nil), never6...) }

// Private6 is documented with NeverReached6.
func Private6() []netip.Prefix { return append([]netip.Prefix(nil), private6...) }
