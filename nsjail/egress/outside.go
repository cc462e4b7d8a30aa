package egress

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Outside reports whether packets of this host to an address go where those go that nothing is known of: by a default route. What it has a route
// for is itself, a neighbour, or somebody's network behind another interface.
func Outside(a netip.Addr) (bool, error) {
	routes, err := netlink.RouteGetWithOptions(a.AsSlice(), &netlink.RouteGetOptions{FIBMatch: true})
	if err != nil {
		return false, fmt.Errorf("cannot tell the way to %s: %w", a, err)
	}
	for _, r := range routes {
		if r.Type != unix.RTN_UNICAST || r.Dst != nil && !isDefault(r.Dst) {
			return false, nil
		}
	}
	return len(routes) > 0, nil
}

func isDefault(n *net.IPNet) bool {
	bits, _ := n.Mask.Size()
	return bits == 0
}

// A connection has two sockets here, and whoever is at their other ends says how much lies in them. Those in a pod's network take its sizes, which its
// root sets, unless they are set here: what is accepted has them of who listens (socket(7), tcp(7)).
const (
	innerBuffer = 128 << 10 // bytes, each way, of which the kernel doubles
	outerBuffer = 512 << 10
)

// Bounded is a net.Dialer's Control.
func Bounded(_, _ string, c syscall.RawConn) error {
	var err error
	failed := c.Control(func(fd uintptr) { err = setBuffers(int(fd), outerBuffer) })
	if failed != nil {
		return failed
	}
	return err
}

func setBuffers(fd, size int) error {
	for _, option := range []int{unix.SO_SNDBUF, unix.SO_RCVBUF} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, size); err != nil {
			return fmt.Errorf("cannot bound what a socket takes: %w", err)
		}
	}
	return nil
}
