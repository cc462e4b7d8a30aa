package gate

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Egress is one place that a pod may connect to. The zero Egress is no place; ParseEgress makes those that are.
type Egress struct {
	All    bool         // "*": all that is public, of IPv4 and of IPv6; there is no Prefix then
	Name   string       // a host's, or "*." and a domain, for all that is below it; by TCP and public alone. There is no Prefix then
	Prefix netip.Prefix // IPv4 or IPv6
	Port   uint16       // 0: all of them, and ping
	Proto  string       // tcp, udp; empty: both
}

// ParseEgress reads "*", or ADDRESS or CIDR, those of IPv6 in brackets, with, if wanted, :PORT or :PORT/tcp or :PORT/udp. "*" takes a
// port as well. A name, or "*." and a domain, has to have one.
func ParseEgress(s string) (Egress, error) {
	where, port, limited, err := cutPort(s)
	if err != nil {
		return Egress{}, err
	}
	if isName(s, where) {
		return parseNamed(s, where, port, limited)
	}
	e := Egress{All: where == "*"}
	if !e.All {
		if e.Prefix, err = parsePrefix(s, where); err != nil {
			return Egress{}, err
		}
	}
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
	for _, n := range append(NeverReached(), never6...) {
		if within(e.Prefix, n) {
			return Egress{}, fmt.Errorf("egress %q: %s is never reachable from a pod", s, n)
		}
	}
	return e, nil
}

// cutPort takes what is behind the colon off, which an IPv6 address has many of: so that stands in brackets.
func cutPort(s string) (where, port string, limited bool, err error) {
	if strings.HasPrefix(s, "[") {
		inner, rest, closed := strings.Cut(s[1:], "]")
		port, limited = strings.CutPrefix(rest, ":")
		if !closed || rest != "" && !limited || !strings.Contains(inner, ":") {
			return "", "", false, fmt.Errorf("egress %q: write [ADDRESS] or [RANGE] of IPv6, such as [2001:db8::/32], and :PORT or :PORT/tcp behind it", s)
		}
		return inner, port, limited, nil
	}
	if strings.Count(s, ":") > 1 {
		return "", "", false, fmt.Errorf("egress %q: write IPv6 in brackets, such as [2001:db8::/32] or [2001:db8::1]:443/tcp", s)
	}
	where, port, limited = strings.Cut(s, ":")
	return where, port, limited, nil
}

func parsePrefix(s, where string) (netip.Prefix, error) {
	if !strings.Contains(where, "/") {
		bits := "/32"
		if strings.Contains(where, ":") {
			bits = "/128"
		}
		where += bits
	}
	p, err := netip.ParsePrefix(where)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf(`egress %q: write "*", an address or a range, such as 192.0.2.0/24 or [2001:db8::/32], and :PORT or :PORT/tcp behind it`, s)
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
	if e.Name != "" {
		return e.Name + ":" + strconv.Itoa(int(e.Port))
	}
	text := e.Prefix.String()
	if e.Prefix.IsSingleIP() {
		text = e.Prefix.Addr().String()
	}
	switch {
	case e.All:
		text = "*"
	case e.Prefix.Addr().Is6():
		text = "[" + text + "]"
	}
	if e.Port != 0 {
		text += ":" + strconv.Itoa(int(e.Port))
	}
	if e.Proto != "" {
		text += "/" + e.Proto
	}
	return text
}

// ByFamily is the same as places that have a Prefix; a name has none, as nobody but a proxy knows where that leads.
func (e Egress) ByFamily() []Egress {
	if e.Name != "" {
		return nil
	}
	if !e.All {
		return []Egress{e}
	}
	four, six := e, e
	four.All, four.Prefix = false, netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	six.All, six.Prefix = false, netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	return []Egress{four, six}
}

// Private reports whether e opens addresses of a private range: it lies within one. Any other egress opens the public part of
// its range, however wide that is.
func (e Egress) Private() bool {
	for _, p := range append(Private(), private6...) {
		if within(e.Prefix, p) {
			return true
		}
	}
	return false
}

// Intersect is what both permit. It reports false where that is nothing.
func (e Egress) Intersect(o Egress) (Egress, bool) {
	if e.Name != "" || o.Name != "" {
		return e.intersectNamed(o)
	}
	if e.All {
		e, o = o, e
	}
	both := e
	switch {
	case e.Private() != o.Private():
		return Egress{}, false
	case o.All: // the place is e's
	case !e.Prefix.Overlaps(o.Prefix):
		return Egress{}, false
	case o.Prefix.Bits() > e.Prefix.Bits():
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

// within is false for the zero prefix, which no range has.
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
