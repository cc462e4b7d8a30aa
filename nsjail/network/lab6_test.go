package network

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

const (
	range6   = "fd7a:6c1b:9d30::/64"
	hosts6   = "fd7a:6c1b:9d30::2" // the host's end of slot 1
	pods6    = "fd7a:6c1b:9d30::3"
	others6  = "fd7a:6c1b:9d30::5" // the pod in slot 2
	host6    = "2001:4860::2"
	gateway6 = "2001:4860::1"
	lan6     = "fd77::2"
	public6  = "2606:4700:4700::1111"
)

// beyond6 are addresses of the far side of the uplink.
var beyond6 = []string{
	public6, "2606:4700:4700::1001", "2a00:1450::9", // public
	"fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", // metadata services
	"64:ff9b::a9fe:a9fe", "64:ff9b::a09:90a", "64:ff9b:1::a09:90a", "2002:a09:90a::1", "2001::a09:90a", // IPv4 in disguise
	"fd99::9", "fd99::10", "fec0::9", "2001:db8::1", "3fff::1", "100::1", "4000::1", // somebody's own, or nobody's
}

// newLab6 is a lab of which the pods have IPv6.
func newLab6(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	l.range6 = range6
	return l
}

func (l *lab) wireIPv6(t *testing.T) {
	t.Helper()
	l.host.sh(t, "echo 0 >/proc/sys/net/ipv6/icmp/ratelimit; ip address add "+host6+"/64 dev up0 nodad; ip address add fd77::1/64 dev lan0 nodad; ip route add default via "+gateway6)
	l.internet.sh(t, "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding") // or it says itself that it is no router
	l.internet.sh(t, "ip address add "+gateway6+"/64 dev eth0 nodad; ip address add fe80::a9fe:a9fe/64 dev eth0 nodad; ip route add "+range6+" via "+host6+"; ip route add fd77::/64 via "+host6)
	l.lan.sh(t, "ip address add "+lan6+"/64 dev eth0 nodad; ip route add default via fd77::1")
	for _, a := range beyond6 {
		l.internet.sh(t, "ip address add "+a+"/128 dev lo nodad")
	}
}

// toolTryAll is toolTry, for one after the other.
func toolTryAll(args []string) error {
	for _, a := range args {
		if err := toolTry(strings.Fields(a)); err != nil {
			fmt.Println(err)
		}
	}
	return nil
}

// toolRaw6 sends a datagram to a port of an address, with a source and with headers in between of its own choice:
// FROM TO PORT TEXT HEADERS, which are "fragments", "routing", "options" or nothing.
func toolRaw6(args []string) error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	from, to := netip.MustParseAddr(args[0]), netip.MustParseAddr(args[1])
	port, err := strconv.ParseUint(args[2], 10, 16)
	if err != nil {
		return err
	}
	udp := datagram(from, to, uint16(port), args[3])
	var packets [][]byte
	switch args[4] {
	case "fragments": // the last one first, of which nobody sees for which port it is
		packets = [][]byte{
			header(from, to, unix.IPPROTO_FRAGMENT, append([]byte{unix.IPPROTO_UDP, 0, 0, 8, 1, 2, 3, 4}, udp[8:]...)),
			header(from, to, unix.IPPROTO_FRAGMENT, append([]byte{unix.IPPROTO_UDP, 0, 0, 1, 1, 2, 3, 4}, udp[:8]...)),
		}
	case "routing": // type 2, of which the final destination is where it goes anyway
		final := to.As16()
		packets = [][]byte{header(from, to, unix.IPPROTO_ROUTING, append(append([]byte{unix.IPPROTO_UDP, 2, 2, 0, 0, 0, 0, 0}, final[:]...), udp...))}
	case "options":
		packets = [][]byte{header(from, to, unix.IPPROTO_DSTOPTS, append([]byte{unix.IPPROTO_UDP, 0, 1, 4, 0, 0, 0, 0}, udp...))}
	default:
		packets = [][]byte{header(from, to, unix.IPPROTO_UDP, udp)}
	}
	for _, p := range packets {
		if err := unix.Sendto(fd, p, 0, &unix.SockaddrInet6{Addr: to.As16()}); err != nil {
			return err
		}
	}
	return ready()
}

// header puts one before a payload (RFC 8200, 3).
func header(from, to netip.Addr, next byte, payload []byte) []byte {
	b := []byte{0x60, 0, 0, 0, 0, 0, next, 64}
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	return append(append(append(b, from.AsSlice()...), to.AsSlice()...), payload...)
}

func datagram(from, to netip.Addr, port uint16, text string) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, 5555), port)
	b = append(binary.BigEndian.AppendUint16(b, uint16(8+len(text))), 0, 0)
	b = append(b, text...)
	binary.BigEndian.PutUint16(b[6:], checksum(from, to, unix.IPPROTO_UDP, b))
	return b
}

// checksum is that of a payload and of what goes before it (RFC 8200, 8.1).
func checksum(from, to netip.Addr, protocol byte, payload []byte) uint16 {
	all := append(append(from.AsSlice(), to.AsSlice()...), 0, 0, 0, byte(len(payload)), 0, 0, 0, protocol)
	all = append(append(all, payload...), make([]byte, len(payload)%2)...)
	var sum uint32
	for ; len(all) > 0; all = all[2:] {
		sum += uint32(binary.BigEndian.Uint16(all))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// toolNeighbours makes itself known to an address under so many link-local addresses: TO MANY INTERFACE.
func toolNeighbours(args []string) error {
	many, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	device, err := net.InterfaceByName(args[2])
	if err != nil {
		return err
	}
	// On the link itself: whoever has a socket for the network would first look for its neighbour.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	to := netip.MustParseAddr(args[0])
	target := to.As16()
	for n := range many {
		from := netip.MustParseAddr(fmt.Sprintf("fe80::%x", n+0x1000))
		body := append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, target[:]...)
		body = append(body, 1, 1, 2, 0, 0, 0, byte(n>>8), byte(n)) // the option of the source's address (RFC 4861, 4.6.1)
		packet := header(from, to, unix.IPPROTO_ICMPV6, body)
		packet[7] = 255
		binary.BigEndian.PutUint16(packet[42:], checksum(from, to, unix.IPPROTO_ICMPV6, body))
		err := unix.Sendto(fd, packet, 0, &unix.SockaddrLinklayer{Protocol: unix.ETH_P_IPV6<<8&0xff00 | unix.ETH_P_IPV6>>8, Ifindex: device.Index, Halen: 6,
			Addr: [8]byte{0x33, 0x33, 0xff, target[13], target[14], target[15]}})
		if err != nil {
			return err
		}
	}
	return ready()
}

// toolAdvertise is a router that says so, once, on eth0: "2001:db8:1::/64 is on this link" (RFC 4861, 4.2).
func toolAdvertise([]string) error {
	c, err := icmp.ListenPacket("ip6:ipv6-icmp", "fe80::a9fe:a9fe%eth0")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.IPv6PacketConn().SetMulticastHopLimit(255); err != nil {
		return err
	}
	body := []byte{64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0} // a lifetime of 1800 s
	prefix := netip.MustParseAddr("2001:db8:1::").As16()
	body = append(body, 3, 4, 64, 0x80, 0, 0, 0x07, 0x08, 0, 0, 0x07, 0x08, 0, 0, 0, 0) // on the link, and no address to be made of it
	body = append(body, prefix[:]...)
	b, err := (&icmp.Message{Type: ipv6.ICMPTypeRouterAdvertisement, Body: &icmp.RawBody{Data: body}}).Marshal(nil)
	if err != nil {
		return err
	}
	if _, err := c.WriteTo(b, &net.IPAddr{IP: net.ParseIP("ff02::1"), Zone: "eth0"}); err != nil {
		return err
	}
	return ready()
}

// tryAll is try, with one process for all: "tcp 1.2.3.4:80".
func (n *namespace) tryAll(t *testing.T, all ...string) (got []string) {
	t.Helper()
	p := n.launch(t, "try-all", all...)
	defer p.end()
	for range all {
		got = append(got, p.line(t))
	}
	return got
}
