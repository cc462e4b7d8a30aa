package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A host that forwards nothing (net.ipv4.ip_forward=0) has to forward for its pods. It does so on the pods' links and its
// uplinks only, by their own net.ipv4.conf.NAME.forwarding, and the rules drop what comes in on such an uplink and is for
// no pod. ip_forward itself stays the operator's: the kernel tells when it changes, and once it is on nothing is lent.

// forward makes the host forward for the pods there are, and for nobody else. Rules come before what they guard.
func (s *service) forward() error {
	uplinks, err := defaultRoutes()
	if err != nil {
		return err
	}
	neighbours, err := neighbourhood()
	if err != nil {
		return err
	}
	on, err := forwards("all")
	if err != nil {
		return err
	}
	var lent []string
	for _, name := range uplinks {
		if on || len(s.pods) == 0 {
			break
		}
		if own, err := forwards(name); err != nil || own && !slices.Contains(s.lent, name) {
			continue // it has gone, or forwards by the operator's own word
		}
		lent = append(lent, name)
	}
	if !slices.Equal(uplinks, s.uplinks) || !slices.Equal(lent, s.lent) || !slices.Equal(neighbours, s.neighbours) {
		s.uplinks, s.neighbours = uplinks, neighbours
		if err := s.lend(lent, on); err != nil {
			return err
		}
	}
	var errs []error
	for _, name := range lent {
		errs = append(errs, setForwarding(name, true))
	}
	for _, t := range s.pods {
		errs = append(errs, setForwarding(t.link.Name, true)) // ip_forward=0 has turned it off on every link
	}
	return errors.Join(errs...)
}

// lend changes which interfaces forward because of us, and loads what the host is in.
func (s *service) lend(lent []string, on bool) error {
	back := slices.DeleteFunc(slices.Clone(s.lent), func(name string) bool { return slices.Contains(lent, name) })
	for _, name := range back {
		if !on { // else it is the operator's now
			if err := setForwarding(name, false); err != nil {
				return err
			}
		}
	}
	s.lent = lent
	return errors.Join(s.remember(), s.change(s.surroundings()))
}

// defaultRoutes are the interfaces of the host's default routes, in order.
func defaultRoutes() ([]string, error) {
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("cannot list routes: %w", err)
	}
	var names []string
	for _, r := range routes {
		if r.Dst != nil && r.Dst.String() != "0.0.0.0/0" {
			continue
		}
		for _, index := range append([]int{r.LinkIndex}, hops(r)...) {
			if l, err := netlink.LinkByIndex(index); err == nil && !slices.Contains(names, l.Attrs().Name) {
				names = append(names, l.Attrs().Name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// neighbourhood are the networks that the host has addresses in, but for its pods' and its own, in order.
func neighbourhood() ([]netip.Prefix, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("cannot list links: %w", err)
	}
	var networks []netip.Prefix
	for _, l := range links {
		if _, ours := slotOf(l.Attrs().Name); ours || l.Attrs().Flags&net.FlagLoopback != 0 {
			continue
		}
		addresses, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			continue // it has gone
		}
		for _, a := range addresses {
			p, err := netip.ParsePrefix(a.IPNet.String())
			if err == nil && !slices.Contains(networks, p.Masked()) {
				networks = append(networks, p.Masked())
			}
		}
	}
	slices.SortFunc(networks, netip.Prefix.Compare)
	return networks, nil
}

func hops(r netlink.Route) (links []int) {
	for _, hop := range r.MultiPath {
		links = append(links, hop.LinkIndex)
	}
	return links
}

func sysctl(family, name, what string) string {
	return filepath.Join("/proc/sys/net", family, "conf", name, what)
}

func forwards(name string) (bool, error) {
	value, err := os.ReadFile(sysctl("ipv4", name, "forwarding"))
	return strings.TrimSpace(string(value)) != "0", err
}

// setForwarding leaves alone what is as it should be, and what is not there.
func setForwarding(name string, on bool) error {
	is, err := forwards(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && is == on {
		return nil
	}
	value := "0"
	if on {
		value = "1"
	}
	if err := os.WriteFile(sysctl("ipv4", name, "forwarding"), []byte(value), 0); err != nil {
		return fmt.Errorf("cannot set forwarding on %s: %w", name, err)
	}
	return nil
}

// remember writes down what is lent, for the next run of this service: to the kernel it looks like the operator's own.
func (s *service) remember() error {
	path := filepath.Join(s.runDir, "net", "lent")
	if err := os.WriteFile(path, []byte(strings.Join(s.lent, "\n")), 0o600); err != nil {
		return fmt.Errorf("cannot remember what forwards: %w", err)
	}
	return nil
}

func (s *service) recall() error {
	text, err := os.ReadFile(filepath.Join(s.runDir, "net", "lent"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot recall what forwards: %w", err)
	}
	s.lent = strings.Fields(string(text))
	return nil
}
