package network

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// noAddress is IN6_ADDR_GEN_MODE_NONE (include/uapi/linux/if_link.h).
const noAddress = 1

// quiet has an end make itself no address.
func quiet(h *netlink.Handle, name string) error {
	l, err := h.LinkByName(name)
	if err == nil {
		err = h.LinkSetIP6AddrGenMode(l, noAddress)
	}
	if err != nil {
		return fmt.Errorf("cannot set up IPv6 on %s: %w", name, err)
	}
	return nil
}

// hasIPv6 reports whether the kernel has IPv6 at all.
func hasIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

// make6 gives both ends, which are up, their addresses, and tells each of the other's. Nothing is discovered on a pod's link: whom the
// host looks for takes room in a table that it has one of.
func (l link) make6(host, inside *netlink.Handle) error {
	if err := l.setUp6(host, l.Name, hostEnd); err != nil {
		return err
	}
	if err := l.setUp6(inside, podName, podEnd); err != nil {
		return err
	}
	if err := inside.RouteAdd(&netlink.Route{Gw: l.Host6.Addr().AsSlice()}); err != nil {
		return fmt.Errorf("cannot set the pod's default route by IPv6: %w", err)
	}
	return nil
}

func (l link) setUp6(h *netlink.Handle, name string, end byte) error {
	own, peer := l.Host6, l.Pod6.Addr()
	if end == podEnd {
		own, peer = l.Pod6, l.Host6.Addr()
	}
	device, err := h.LinkByName(name)
	if err == nil {
		// Nobody else has it, so that nobody is asked (IFA_F_NODAD).
		err = h.AddrReplace(device, &netlink.Addr{IPNet: network(own), Flags: unix.IFA_F_NODAD})
	}
	if err == nil {
		err = h.NeighSet(&netlink.Neigh{
			LinkIndex: device.Attrs().Index, Family: unix.AF_INET6, State: netlink.NUD_PERMANENT, IP: peer.AsSlice(), HardwareAddr: l.hardware(hostEnd + podEnd - end),
		})
	}
	if err != nil {
		return fmt.Errorf("cannot set up %s with %s: %w", name, own, err)
	}
	return nil
}

const hostEnd, podEnd byte = 0, 1

// hardware is the address of an end, by its slot: locally administered (IEEE 802, 8.4.2), and nobody else is on the link.
func (l link) hardware(end byte) net.HardwareAddr {
	slot, _ := slotOf(l.Name)
	return append(binary.BigEndian.AppendUint32([]byte{0x02}, uint32(slot)), end)
}
