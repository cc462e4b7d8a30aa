package egress

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"forkgate/gate"
	"forkgate/nsjail"
)

//go:embed rules.nft
var rules string

// sockets are a pod's.
type sockets struct{ connections, questions *os.File }

func (s sockets) close() error { return errors.Join(s.connections.Close(), s.questions.Close()) }

// open makes the sockets in a pod's network, and what leads to them.
func open(pod *os.File, n nsjail.Network) (s sockets, err error) {
	of, err := parsePlaces(n.Names)
	if err != nil {
		return sockets{}, err
	}
	script, err := script(of, n)
	if err != nil {
		return sockets{}, err
	}
	err = within(pod, func() error {
		if s.connections, err = listen(unix.SOCK_STREAM, netip.IPv4Unspecified()); err != nil {
			return err
		}
		if s.questions, err = listen(unix.SOCK_DGRAM, netip.AddrFrom4([4]byte{127, 0, 0, 1})); err != nil {
			return errors.Join(err, s.connections.Close())
		}
		if err := errors.Join(route(n), load(script)); err != nil {
			return errors.Join(err, s.close())
		}
		return nil
	})
	return s, err
}

// within runs f on a thread that is in a network namespace, and ends with that.
func within(pod *os.File, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread. The main one is never given to such a goroutine while others are free
		if err := netns.Set(netns.NsHandle(pod.Fd())); err != nil {
			done <- fmt.Errorf("cannot enter the pod's network: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

func listen(kind int, at netip.Addr) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket in the pod's network: %w", err)
	}
	f := os.NewFile(uintptr(fd), "egress")
	err = errors.Join(setBuffers(fd, innerBuffer), unix.Bind(fd, &unix.SockaddrInet4{Port: nsjail.NamesPort, Addr: at.As4()}))
	if err == nil && kind == unix.SOCK_STREAM {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot listen in the pod's network: %w", err), f.Close())
	}
	return f, nil
}

// route has a pod without a link believe that there is a way to everywhere, so that its kernel makes the packets that are led elsewhere then.
func route(n nsjail.Network) error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err == nil && !n.Links() {
		err = netlink.RouteReplace(&netlink.Route{
			LinkIndex: lo.Attrs().Index, Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Src: net.IPv4(127, 0, 0, 1),
		})
	}
	if err != nil {
		return fmt.Errorf("cannot set the pod's routes: %w", err)
	}
	return nil
}

// script is the pod's own table. What its link opens by address is not led away from there.
func script(of places, n nsjail.Network) (string, error) {
	var byAddress []string
	for _, text := range n.Egress {
		place, err := gate.ParseEgress(text)
		if err != nil {
			return "", err
		}
		for _, p := range place.ByFamily() {
			if !p.Prefix.Addr().Is4() || p.Proto == "udp" {
				continue
			}
			ports := "0-65535"
			if p.Port != 0 {
				ports = fmt.Sprint(p.Port)
			}
			byAddress = append(byAddress, fmt.Sprintf("ip daddr %s tcp dport %s return", p.Prefix, ports))
		}
	}
	var own, ports []string
	for _, p := range append(gate.NeverReached(), gate.Private()...) {
		own = append(own, p.String())
	}
	for _, p := range of.ports() {
		ports = append(ports, fmt.Sprint(p))
	}
	var lines strings.Builder
	for line := range strings.Lines(rules) {
		line = strings.TrimSpace(line)
		rest, lonely := strings.CutPrefix(line, "ALONE ")
		if !strings.HasPrefix(line, "#") && (!lonely || !n.Links()) {
			lines.WriteString(rest + "\n")
		}
	}
	return strings.NewReplacer("BY_ADDRESS", strings.Join(byAddress, "\n"), "OWN", strings.Join(own, ", "),
		"PORTS", strings.Join(ports, ", "), "PORT", fmt.Sprint(nsjail.NamesPort)).Replace(lines.String()), nil
}

// load runs nft(8), in the network of this thread.
func load(script string) error {
	c := exec.Command("nft", "-f", "-")
	c.Stdin = strings.NewReader(script)
	if out, err := c.CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("cannot set the rules of the pod's own network: %w: %s", err, first)
	}
	return nil
}
