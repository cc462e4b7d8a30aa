package gate

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Egress is one place that a pod may connect to. The zero Egress is no place; ParseEgress makes those that are.
type Egress struct {
	Prefix netip.Prefix // IPv4; 0.0.0.0/0 is "*"
	Port   uint16       // 0: all of them, and ping
	Proto  string       // tcp, udp; empty: both
}

// never are addresses that no pod reaches whatever policy says: this host, its link, everybody at once, and where clouds keep
// the machine's credentials (IANA IPv4 Special-Purpose Address Registry; the documentation of Azure, Alibaba and Oracle Cloud).
var never = prefixes("0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32 100.100.100.200/32 192.0.0.192/32")

// private are addresses that "*" does not open, as they are somebody's own network. An egress that lies within one opens it.
var private = prefixes("10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 " +
	"198.18.0.0/15 198.51.100.0/24 203.0.113.0/24")

func prefixes(list string) (all []netip.Prefix) {
	for _, p := range strings.Fields(list) {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// NeverReached and Private are the ranges that an Egress is judged by; the rules of the network are made from them.
func NeverReached() []netip.Prefix { return append([]netip.Prefix(nil), never...) }

// Private is documented with NeverReached.
func Private() []netip.Prefix { return append([]netip.Prefix(nil), private...) }

// ParseEgress reads "*", or ADDRESS or CIDR with, if wanted, :PORT or :PORT/tcp or :PORT/udp. "*" takes a port as well.
func ParseEgress(s string) (Egress, error) {
	where, port, limited := strings.Cut(s, ":")
	prefix, err := parsePrefix(s, where)
	if err != nil {
		return Egress{}, err
	}
	e := Egress{Prefix: prefix}
	if limited {
		number, proto, named := strings.Cut(port, "/")
		if e.Port, err = parsePort(number); err != nil {
			return Egress{}, fmt.Errorf("egress %q: %w", s, err)
		}
		if named && proto != "tcp" && proto != "udp" {
			return Egress{}, fmt.Errorf("egress %q: %q is no protocol; write tcp or udp, or leave it out for both", s, proto)
		}
		e.Proto = proto
	}
	for _, n := range never {
		if within(prefix, n) {
			return Egress{}, fmt.Errorf("egress %q: %s is never reachable from a pod", s, n)
		}
	}
	return e, nil
}

func parsePrefix(s, where string) (netip.Prefix, error) {
	switch {
	case where == "*":
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), nil
	case strings.Count(s, ":") > 1:
		return netip.Prefix{}, fmt.Errorf("egress %q: pods have no IPv6; write an IPv4 address or range", s)
	case !strings.Contains(where, "/"):
		where += "/32"
	}
	p, err := netip.ParsePrefix(where)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, fmt.Errorf(`egress %q: write "*", an IPv4 address or a range, such as 192.0.2.0/24, and :PORT or :PORT/tcp behind it`, s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("egress %q: %s is an address within a range; the range is %s", s, p.Addr(), p.Masked())
	}
	return p, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] == '0' || s[0] == '+' {
		return 0, fmt.Errorf("%q is no port; ports are 1 to 65535", s)
	}
	return uint16(n), nil
}

// String is what ParseEgress reads.
func (e Egress) String() string {
	text := "*"
	switch {
	case e.Prefix.Bits() == 32:
		text = e.Prefix.Addr().String()
	case e.Prefix.Bits() != 0:
		text = e.Prefix.String()
	}
	if e.Port != 0 {
		text += ":" + strconv.Itoa(int(e.Port))
	}
	if e.Proto != "" {
		text += "/" + e.Proto
	}
	return text
}

// Private reports whether e opens addresses of a private range: it lies within one. Any other egress opens the public part of
// its range, however wide that is.
func (e Egress) Private() bool {
	for _, p := range private {
		if within(e.Prefix, p) {
			return true
		}
	}
	return false
}

// Intersect is what both permit. It reports false where that is nothing.
func (e Egress) Intersect(o Egress) (Egress, bool) {
	if e.Private() != o.Private() || !e.Prefix.Overlaps(o.Prefix) {
		return Egress{}, false
	}
	both := e
	if o.Prefix.Bits() > e.Prefix.Bits() {
		both.Prefix = o.Prefix
	}
	if both.Port == 0 {
		both.Port = o.Port
	}
	if both.Proto == "" {
		both.Proto = o.Proto
	}
	same := (o.Port == 0 || o.Port == both.Port) && (o.Proto == "" || o.Proto == both.Proto)
	return both, same
}

func within(p, wide netip.Prefix) bool { return p.Bits() >= wide.Bits() && wide.Contains(p.Addr()) }

// Publish is a port of the host that leads to a port of a pod.
type Publish struct {
	Host, Pod uint16
	Proto     string // tcp, udp
}

// ParsePublish reads HOSTPORT:PORT/tcp or HOSTPORT:PORT/udp.
func ParsePublish(s string) (Publish, error) {
	ports, proto, _ := strings.Cut(s, "/")
	host, inside, both := strings.Cut(ports, ":")
	if !both || proto != "tcp" && proto != "udp" {
		return Publish{}, fmt.Errorf("publish %q: write HOSTPORT:PORT/tcp or HOSTPORT:PORT/udp, such as 443:8443/tcp", s)
	}
	p := Publish{Proto: proto}
	var err error
	if p.Host, err = parsePort(host); err != nil {
		return Publish{}, fmt.Errorf("publish %q: %w", s, err)
	}
	if p.Pod, err = parsePort(inside); err != nil {
		return Publish{}, fmt.Errorf("publish %q: %w", s, err)
	}
	return p, nil
}

// String is what ParsePublish reads.
func (p Publish) String() string { return fmt.Sprintf("%d:%d/%s", p.Host, p.Pod, p.Proto) }
