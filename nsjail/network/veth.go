package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// podName is what the link is called inside.
const podName = "eth0"

// make makes the link. What is left of an earlier pod in this slot is on its way out: its rules have gone already.
func (l link) make(pod *os.File) error {
	if err := l.remove(); err != nil {
		return err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = l.Name
	// The other end is born in the pod: for no moment there are two ends on the host.
	veth := &netlink.Veth{LinkAttrs: attributes, PeerName: podName, PeerNamespace: netlink.NsFd(pod.Fd())}
	if l.six() {
		veth.HardwareAddr, veth.PeerHardwareAddr = l.hardware(hostEnd), l.hardware(podEnd)
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("cannot make the pod's link %s: %w", l.Name, err)
	}
	// Before it is up: it has no IPv6 address then, and takes nothing for a route that does not come from the pod's.
	if err := l.harden(); err != nil {
		return err
	}
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("cannot set up the pod's link: %w", err)
	}
	defer host.Close()
	inside, err := netlink.NewHandleAt(netns.NsHandle(pod.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("cannot enter the pod's network: %w", err)
	}
	defer inside.Close()
	// While both are down, or they make themselves link-local addresses, and look for routers.
	if err := errors.Join(quiet(host, l.Name), quiet(inside, podName)); err != nil && (l.six() || hasIPv6()) {
		return err
	}
	if err := setUp(host, l.Name, l.Host); err != nil {
		return err
	}
	if err := setUp(inside, podName, l.Pod); err != nil {
		return err
	}
	if err := inside.RouteAdd(&netlink.Route{Gw: l.Host.Addr().AsSlice()}); err != nil {
		return fmt.Errorf("cannot set the pod's default route: %w", err)
	}
	if !l.six() {
		return nil
	}
	return l.make6(host, inside)
}

// harden sets what the rules would refuse as well, so that one of the two is enough (Linux, Documentation/networking/ip-sysctl.rst).
func (l link) harden() error {
	settings := []struct{ family, what, value string }{
		{"ipv4", "rp_filter", "1"},
		{"ipv4", "accept_redirects", "0"},
		{"ipv4", "send_redirects", "0"},
		{"ipv4", "arp_ignore", "2"}, // the host's other addresses are none of the pod's business
		{"ipv4", "forwarding", "1"},
		{"ipv6", "accept_ra", "0"},
		{"ipv6", "autoconf", "0"},
		{"ipv6", "accept_redirects", "0"},
		{"ipv6", "accept_source_route", "-1"},
		{"ipv6", "disable_ipv6", "1"},
	}
	if l.six() {
		settings[len(settings)-1].value = "0"
	}
	for _, setting := range settings {
		err := os.WriteFile(sysctl(setting.family, l.Name, setting.what), []byte(setting.value), 0)
		if err != nil && (setting.family == "ipv4" || l.six() || !errors.Is(err, fs.ErrNotExist)) { // a kernel may have no IPv6 at all
			return fmt.Errorf("cannot set up the pod's link: %w", err)
		}
	}
	return nil
}

func setUp(h *netlink.Handle, name string, address netip.Prefix) error {
	l, err := h.LinkByName(name)
	if err == nil {
		err = h.AddrAdd(l, &netlink.Addr{IPNet: network(address)})
	}
	if err == nil {
		err = h.LinkSetUp(l)
	}
	if err != nil {
		return fmt.Errorf("cannot set up %s with %s: %w", name, address, err)
	}
	return nil
}

func network(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// set sets the host's end up or down.
func (l link) set(up bool) error {
	end, err := netlink.LinkByName(l.Name)
	if err != nil {
		return fmt.Errorf("cannot find the pod's link %s: %w", l.Name, err)
	}
	if !up {
		return netlink.LinkSetDown(end)
	}
	if err := netlink.LinkSetUp(end); err != nil || !l.six() {
		return err
	}
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("cannot set up the pod's link: %w", err)
	}
	defer host.Close()
	return l.setUp6(host, l.Name, hostEnd) // which it has lost
}

// remove takes both ends away. It is no error if there are none: the kernel removes them with the pod's namespace.
func (l link) remove() error {
	end, err := netlink.LinkByName(l.Name)
	if err == nil {
		err = netlink.LinkDel(end)
	}
	var missing netlink.LinkNotFoundError
	if err != nil && !errors.As(err, &missing) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("cannot remove the pod's link %s: %w", l.Name, err)
	}
	return nil
}
