package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"forkgate/gate"
	"forkgate/nsjail"
)

// Bounds of what one pod may ask for.
const (
	maxEntries   = 256
	maxResolvers = 3 // what resolv.conf(5) takes
)

// elements are what one pod has in the sets of the table, as nft(8) writes them.
type elements map[string][]string

// newElements checks a network and says which elements it comes to. What lies within a network of the host's neighbours opens them, as
// what lies within a private range opens that.
func newElements(l link, n nsjail.Network, neighbours []netip.Prefix) (elements, error) {
	if len(n.Egress) > maxEntries || len(n.Publish) > maxEntries || len(n.Resolvers) > maxResolvers {
		return nil, fmt.Errorf("more than %d places, %[1]d ports or %d resolvers", maxEntries, maxResolvers)
	}
	if !n.Links() {
		return nil, errors.New("the network opens nothing, and needs no link")
	}
	e := elements{}
	for _, pod := range l.addresses() {
		e.add("sources", pod, fmt.Sprintf("%q . %s", l.Name, pod))
		if err := e.places(pod, n.Egress, neighbours); err != nil {
			return nil, err
		}
		for _, text := range n.Publish {
			p, err := gate.ParsePublish(text)
			if err != nil {
				return nil, err
			}
			e.add("publish", pod, fmt.Sprintf("%s . %d : %s . %d", p.Proto, p.Host, pod, p.Pod))
		}
		for _, text := range n.Resolvers {
			r, err := resolver(text)
			if err != nil {
				return nil, err
			}
			if len(n.Asked()) > 0 && r.Is4() == pod.Is4() {
				e.add("resolvers", pod, fmt.Sprintf("%s . %s", pod, r))
			}
		}
	}
	return e, nil
}

// add puts an element into the set of the pod's family.
func (e elements) add(set string, pod netip.Addr, elements ...string) {
	if pod.Is6() {
		set += "6"
	}
	e[set] = append(e[set], elements...)
}

// places adds those that are of the pod's family.
func (e elements) places(pod netip.Addr, texts []string, neighbours []netip.Prefix) error {
	var egress, inside []gate.Egress
	for _, text := range texts {
		places, err := gate.ParseEgress(text)
		if err != nil {
			return err
		}
		for _, place := range places.ByFamily() {
			switch {
			case place.Prefix.Addr().Is4() != pod.Is4():
			case place.Private() || slices.ContainsFunc(neighbours, func(p netip.Prefix) bool { return contains(p, place.Prefix) }):
				inside = append(inside, place)
			default:
				egress = append(egress, place)
			}
		}
	}
	e.add("egress", pod, reach(pod, egress)...)
	e.add("inside", pod, reach(pod, inside)...)
	return nil
}

func resolver(text string) (netip.Addr, error) {
	r, err := netip.ParseAddr(text)
	if err != nil || r.Is4In6() || r.Zone() != "" || r.IsLoopback() || r.IsUnspecified() || r.IsMulticast() || r.Is6() && r.IsLinkLocalUnicast() {
		return r, fmt.Errorf("resolver %q: write the address of a name server that is not this host", text)
	}
	return r, nil
}

// reach turns places into elements that do not overlap: the kernel takes no others into one set
// (net/netfilter/nft_set_pipapo.c).
func reach(pod netip.Addr, places []gate.Egress) (all []string) {
	for _, proto := range []string{"tcp", "udp", "icmp"} {
		var of []gate.Egress
		for _, p := range places {
			// Ports say nothing of ping, which who opens all of them opens too.
			if p.Proto == proto || p.Proto == "" && (proto != "icmp" || p.Port == 0) {
				of = append(of, gate.Egress{Prefix: p.Prefix, Port: p.Port, Proto: proto})
			}
		}
		name := proto
		if proto == "icmp" && pod.Is6() {
			name = "icmpv6"
		}
		for _, p := range disjoint(of) {
			all = append(all, fmt.Sprintf("%s . %s . %s . %s", pod, p.prefix, name, p.ports))
		}
	}
	return all
}

type portion struct {
	prefix netip.Prefix
	ports  string
}

// disjoint says the same as places, which are of one protocol, without overlap. Of two places one holds the other's range or
// they have nothing in common; so what may overlap is one port of a wide range and all ports of a narrow one.
func disjoint(places []gate.Egress) (all []portion) {
	var kept []gate.Egress
	for i, p := range places {
		covered := slices.ContainsFunc(places, func(o gate.Egress) bool { return o != p && covers(o, p) })
		if !covered && !slices.Contains(places[:i], p) {
			kept = append(kept, p)
		}
	}
	for _, p := range kept {
		if p.Port != 0 {
			all = append(all, portion{p.Prefix, fmt.Sprint(p.Port)})
			continue
		}
		var taken []int // ports of this range that a wider one has already
		for _, o := range kept {
			if o.Port != 0 && contains(o.Prefix, p.Prefix) {
				taken = append(taken, int(o.Port))
			}
		}
		for _, ports := range gaps(taken) {
			all = append(all, portion{p.Prefix, ports})
		}
	}
	return all
}

// gaps are the ranges of ports between those that are taken.
func gaps(taken []int) (ranges []string) {
	slices.Sort(taken)
	from := 0
	for _, port := range append(slices.Compact(taken), 1<<16) {
		if from < port {
			ranges = append(ranges, fmt.Sprintf("%d-%d", from, port-1))
		}
		from = port + 1
	}
	return ranges
}

func covers(o, p gate.Egress) bool {
	return contains(o.Prefix, p.Prefix) && (o.Port == 0 || o.Port == p.Port)
}

func contains(wide, p netip.Prefix) bool { return wide.Bits() <= p.Bits() && wide.Contains(p.Addr()) }

// script is a command of nft(8) for each set: add or delete.
func (e elements) script(verb string) string {
	var b strings.Builder
	for _, set := range []string{"sources", "egress", "inside", "resolvers", "publish", "sources6", "egress6", "inside6", "resolvers6", "publish6"} {
		if len(e[set]) > 0 {
			fmt.Fprintf(&b, "%s element inet forkgate %s { %s }\n", verb, set, strings.Join(e[set], ", "))
		}
	}
	return b.String()
}
