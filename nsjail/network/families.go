package network

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// family is what the service knows of the host by IPv4, or by IPv6.
type family struct {
	number int    // netlink's
	conf   string // its directory in /proc/sys/net
	suffix string // of its sets, and of the file of what is lent
	knob   string // the setting by which one interface forwards; empty where the kernel has none

	neighbours []netip.Prefix // networks that the host is in
	uplinks    []string
	lent       []string // interfaces that forward because of us
}

// everyInterface is what is lent where the kernel has all of them forward, or none.
const everyInterface = "all"

// families are IPv4 and, where pods have it, IPv6. IPv6 has interfaces forward one by one since Linux 6.17 (force_forwarding,
// Documentation/networking/ip-sysctl.rst); pretend that it does not with old.
func families(p plan, old bool) []*family {
	all := []*family{{number: netlink.FAMILY_V4, conf: "ipv4", knob: "forwarding"}}
	if p.six() {
		all = append(all, sixth(old))
	}
	return all
}

func sixth(old bool) *family {
	six := &family{number: netlink.FAMILY_V6, conf: "ipv6", suffix: "6", knob: "force_forwarding"}
	if _, err := os.Stat(sysctl(six.conf, everyInterface, six.knob)); err != nil || old {
		six.knob = ""
	}
	return six
}

// look finds out where the host is.
func (f *family) look() (err error) {
	if f.uplinks, err = f.defaultRoutes(); err == nil {
		f.neighbours, err = f.neighbourhood()
	}
	return err
}

// neighbours are those of all families.
func (s *service) neighbours() (all []netip.Prefix) {
	for _, f := range s.families {
		all = append(all, f.neighbours...)
	}
	return all
}

// defaultRoutes are the interfaces of the host's default routes, in order.
func (f *family) defaultRoutes() ([]string, error) {
	var names []string
	routes, err := f.routes()
	for _, r := range routes {
		if r.Dst != nil && !isDefault(r.Dst) {
			continue
		}
		for _, index := range append([]int{r.LinkIndex}, hops(r)...) {
			if l, err := netlink.LinkByIndex(index); err == nil && !slices.Contains(names, l.Attrs().Name) {
				names = append(names, l.Attrs().Name)
			}
		}
	}
	slices.Sort(names)
	return names, err
}

// routes are those of the main table that lead anywhere.
func (f *family) routes() ([]netlink.Route, error) {
	filter := &netlink.Route{Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST}
	routes, err := netlink.RouteListFiltered(f.number, filter, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
	if err != nil {
		return nil, fmt.Errorf("cannot list routes: %w", err)
	}
	return routes, nil
}

func isDefault(n *net.IPNet) bool {
	bits, _ := n.Mask.Size()
	return bits == 0
}

func hops(r netlink.Route) (links []int) {
	for _, hop := range r.MultiPath {
		links = append(links, hop.LinkIndex)
	}
	return links
}

// neighbourhood are the networks that the host has addresses in, but for its pods' and its own, in order.
func (f *family) neighbourhood() ([]netip.Prefix, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("cannot list links: %w", err)
	}
	outside := map[int]bool{}
	var networks []*net.IPNet
	for _, l := range links {
		if _, ours := slotOf(l.Attrs().Name); ours || l.Attrs().Flags&net.FlagLoopback != 0 {
			continue
		}
		outside[l.Attrs().Index] = true
		addresses, err := netlink.AddrList(l, f.number)
		if err != nil {
			continue // it has gone
		}
		for _, a := range addresses {
			networks = append(networks, a.IPNet)
		}
	}
	if f.number == netlink.FAMILY_V6 {
		more, err := f.onLink(outside)
		if err != nil {
			return nil, err
		}
		networks = append(networks, more...)
	}
	return sorted(networks), nil
}

// onLink are networks that a router has told the host of: an address may be a /128 beside these (RFC 5942).
func (f *family) onLink(outside map[int]bool) (networks []*net.IPNet, err error) {
	routes, err := f.routes()
	for _, r := range routes {
		if r.Dst != nil && r.Gw == nil && len(r.MultiPath) == 0 && outside[r.LinkIndex] && !isDefault(r.Dst) {
			networks = append(networks, r.Dst)
		}
	}
	return networks, err
}

func sorted(networks []*net.IPNet) (all []netip.Prefix) {
	for _, n := range networks {
		p, err := netip.ParsePrefix(n.String())
		if err == nil && !slices.Contains(all, p.Masked()) {
			all = append(all, p.Masked())
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return all
}
