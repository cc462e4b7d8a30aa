package doors

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// listener is what hears something from outside of the host.
type listener struct {
	port             uint32
	proto            string // tcp, udp or vsock
	inode            string
	program, service string // empty: nobody knows
	pid              int
}

func (l listener) name() string { return fmt.Sprintf("listener %d/%s", l.port, l.proto) }

// remote are programs that are there to let somebody in: these are closed without being named.
var remote = []string{
	"sshd", "sshd-session", "dropbear", "telnetd", "in.telnetd", "rlogind", "in.rlogind", "rshd", "in.rshd", "rexecd", "cockpit-tls", "cockpit-ws", "xrdp",
	"xrdp-sesman", "Xvnc", "x11vnc", "vino-server", "ttyd", "gotty", "shellinaboxd", "wetty", "tinysshd", "gdbserver",
}

// listenerWays has one for each port that something outside of the loopback reaches, the gate's and sshd's own aside. What a firewall keeps from them does not
// count: it may be open to some, and tomorrow to all.
func listenerWays(ctx context.Context, h *Host) []way {
	all, err := h.listeners()
	if err != nil {
		return []way{{name: "listeners", why: whyListens, probe: func(context.Context, *Host) finding {
			return open("ss -lntup", "what listens cannot be seen: %v", err)
		}}}
	}
	own := h.own(ctx)
	var ways []way
	for _, l := range all {
		if l.pid == 1 && l.service == "" {
			l.service = h.socketUnit(ctx, l)
		}
		switch {
		case own.isGate(l):
			ways = append(ways, way{name: l.name(), why: whyListens, probe: is(gated("forkgate's gate"))})
		case own.isSSHD(l), h.isGenerated(l): // has rows of its own
		case slices.Contains(own.units, l.service): // stopping it would stop sshd
			ways = append(ways, way{name: l.name(), why: whyListens, probe: is(open("systemctl cat "+l.service, "%s of %s hears there, and sshd -T does not say so", l.program, l.service))})
		case l.proto == "udp" && (l.port == 68 || l.port == 546) && slices.Contains(dhcp, l.program):
			ways = append(ways, way{name: l.name(), why: whyListens, probe: is(closed("%s, which asks for the host's own address", l.program))})
		default:
			ways = append(ways, l.way())
		}
	}
	if len(ways) == 0 {
		return []way{{name: "listeners", why: whyListens, probe: is(closed("nothing but the gate and sshd hears the network"))}}
	}
	return ways
}

// dhcp are programs that get a host its address (RFC 2131, RFC 8415).
var dhcp = []string{"systemd-networkd", "NetworkManager", "dhclient", "dhcpcd", "udhcpc", "busybox"}

const whyListens = "whatever hears the network may let somebody in, by what it is for or by a fault of it"

func is(f finding) func(context.Context, *Host) finding {
	return func(context.Context, *Host) finding { return f }
}

func (l listener) way() way {
	known := slices.Contains(remote, l.program)
	w := way{name: l.name(), why: whyListens, byName: !known, shut: func(ctx context.Context, h *Host) ([]step, error) { return l.close(ctx, h) }}
	w.probe = func(context.Context, *Host) finding {
		who := l.program
		if who == "" {
			who = "something, nobody knows what,"
		}
		if l.service != "" {
			who += " of " + l.service
		}
		do := ""
		if !known {
			do = fmt.Sprintf("--except '%s' where it is to be there; else: forkgate doors --close '%[1]s'", l.name())
		}
		if l.pid == 0 {
			do = fmt.Sprintf("ss -lntup --vsock 'sport = :%d' says who, perhaps; end that, and what starts it", l.port)
		} else if l.service == "" {
			do = fmt.Sprintf("end process %d, and what starts it", l.pid)
		}
		return open(do, "%s hears there", who)
	}
	return w
}

// close stops the unit that listens, and what listens for it.
func (l listener) close(ctx context.Context, h *Host) ([]step, error) {
	if l.service == "" {
		return nil, fmt.Errorf("%s: no unit of systemd's is behind it: end process %d, and what starts it", l.name(), l.pid)
	}
	return h.stop(ctx, l.service)
}

// listeners reads /proc/net (proc_pid_net(5)); the states are those of include/net/tcp_states.h, which UDP has as well.
func (h *Host) listeners() ([]listener, error) {
	found := map[string]listener{}
	for _, file := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, ok, err := h.read("proc/net/" + file)
		if err != nil || !ok && !strings.HasSuffix(file, "6") {
			return nil, fmt.Errorf("cannot read /proc/net/%s: %v", file, err)
		}
		proto := strings.TrimSuffix(file, "6")
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != map[string]string{"tcp": "0A", "udp": "07"}[proto] {
				continue
			}
			address, hex, _ := strings.Cut(f[1], ":")
			port, err := strconv.ParseUint(hex, 16, 16)
			if err != nil || loopback(address) {
				continue
			}
			l := listener{port: uint32(port), proto: proto, inode: f[9]}
			found[l.name()+l.inode] = l
		}
	}
	vsock, err := h.vsock()
	if err != nil {
		return nil, err
	}
	for _, l := range vsock {
		found[l.name()+l.inode] = l
	}
	all := h.who(found)
	slices.SortFunc(all, func(a, b listener) int {
		return strings.Compare(fmt.Sprintf("%s%010d%s", a.proto, a.port, a.program), fmt.Sprintf("%s%010d%s", b.proto, b.port, b.program))
	})
	return slices.CompactFunc(all, func(a, b listener) bool {
		return a.port == b.port && a.proto == b.proto && a.program == b.program && a.service == b.service
	}), nil
}

// loopback is 127.0.0.0/8 or ::1, in words of the host's byte order, for which little endian is taken; elsewhere there is a listener too many.
func loopback(address string) bool {
	v4 := strings.TrimPrefix(address, "0000000000000000FFFF0000")
	return len(v4) == 8 && strings.HasSuffix(v4, "7F") || address == "00000000000000000000000001000000"
}

// who finds the processes behind sockets: that of a service rather than pid 1, which holds what it started that by.
func (h *Host) who(found map[string]listener) []listener {
	held := map[string][]int{}
	pids, _ := h.list("proc")
	for _, dir := range pids {
		pid, err := strconv.Atoi(path.Base(dir))
		if err != nil {
			continue
		}
		fds, _ := h.list(dir + "/fd")
		for _, fd := range fds {
			link, _ := fs.ReadLink(h.Files, fd)
			if inode, ok := strings.CutPrefix(link, "socket:["); ok {
				inode = strings.TrimSuffix(inode, "]")
				held[inode] = append(held[inode], pid)
			}
		}
	}
	var all []listener
	for _, key := range slices.Sorted(maps.Keys(found)) {
		l := found[key]
		if pids := held[l.inode]; len(pids) > 0 {
			l.pid = slices.Max(pids)
			l.program, l.service = h.process(l.pid)
		}
		all = append(all, l)
	}
	return all
}

// process is a process's program, and the unit that it belongs to where that is a service of the system's.
func (h *Host) process(pid int) (program, service string) {
	exe, _ := fs.ReadLink(h.Files, fmt.Sprintf("proc/%d/exe", pid))
	program = path.Base(strings.TrimSuffix(exe, " (deleted)"))
	text, _, _ := h.read(fmt.Sprintf("proc/%d/cgroup", pid))
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && (f[0] == "0" || f[1] == "name=systemd") {
			if name := path.Base(f[2]); strings.HasSuffix(name, ".service") && strings.Contains(f[2], "/system.slice/") {
				service = name
			}
		}
	}
	return program, service
}
