package network

import (
	"strings"
	"syscall"
	"testing"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// across6 are the ways from the uplink to the LAN and back that the host forwards by IPv6.
func (l *lab) across6(t *testing.T) (found []string) {
	t.Helper()
	for _, try := range []struct {
		from    *namespace
		address string
	}{{l.internet, "[" + lan6 + "]:80"}, {l.lan, "[" + gateway6 + "]:80"}} {
		if got := try.from.try(t, "tcp", try.address); strings.HasPrefix(got, "ok") {
			found = append(found, try.address)
		}
	}
	return found
}

// intrudes6 reports whether a datagram from the internet gets to the LAN.
func (l *lab) intrudes6(t *testing.T) bool {
	t.Helper()
	l.internet.start(t, "raw6", gateway6, lan6, "53", "intruder", "")
	l.host.start(t, "raw6", "fd77::1", lan6, "53", "end", "")
	for intruded := false; ; {
		switch l.lanHeard.line(t) {
		case "intruder":
			intruded = true
		case "end":
			return intruded
		}
	}
}

// settings are those of the host by which it forwards, and takes advertisements.
func (l *lab) settings(t *testing.T) string {
	t.Helper()
	return l.host.sh(t, `cd /proc/sys/net/ipv6/conf; for i in all default lo up0 lan0; do
		for s in forwarding accept_ra force_forwarding; do [ ! -e $i/$s ] || echo $i $s $(<$i/$s); done; done`)
}

func (l *lab) works6(t *testing.T, p *pod, when string) {
	t.Helper()
	need.Eventually(t, when+", what is open is reached", func() bool { return p.try(t, "tcp", "["+public6+"]:80") == "ok internet "+host6 })
	need.Eventually(t, when+", the published port is", func() bool { return l.internet.try(t, "tcp", "["+host6+"]:443") == "ok a0 "+gateway6 })
	for i, got := range p.tryAll(t, "tcp ["+host6+"]:22", "tcp [fd00:ec2::254]:80", "tcp ["+lan6+"]:80") {
		if got != "refused" {
			t.Errorf("%s, what is out of reach, number %d: %s", when, i, got)
		}
	}
}

// advertised reports whether the host has the routes that a router on its uplink advertises.
func (l *lab) advertised(t *testing.T) bool {
	t.Helper()
	routes := l.host.sh(t, "ip -6 route show dev up0")
	return strings.Contains(routes, "default via fe80::a9fe:a9fe proto ra") && strings.Contains(routes, "2001:db8:1::/64 proto kernel")
}

// advertises has a router say the routes that the host is to have, in place of those that it has.
func (l *lab) advertises(t *testing.T) {
	t.Helper()
	l.host.sh(t, "ip -6 route del default; ip -6 route del 2001:db8:1::/64")
	l.internet.start(t, "advertise")
	need.Eventually(t, "the host has advertised routes", func() bool { return l.advertised(t) })
}

// A host that forwarded nothing by IPv6 forwards for pods, and for nobody else, with this kernel's way and with that of older ones; and it
// goes on to take what routers advertise.
func TestForwardingOpensNothing6(t *testing.T) {
	for name, old := range map[string]bool{"interface by interface": false, "all or nothing": true} {
		t.Run(name, func(t *testing.T) {
			l := newLab6(t)
			l.old = old
			l.host.sh(t, "ip -6 route add 2001:db8:1::/64 dev up0") // to be deleted
			l.advertises(t)
			before := l.settings(t)
			l.serve(t)
			if got := l.settings(t); got != before {
				t.Errorf("before there is a pod the settings were\n%s\nand are\n%s", before, got)
			}
			p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything6, Publish: []string{"443:8443/tcp"}})
			l.lends6(t, p, before)
			l.isRouter6(t, p)
			l.controlLent6(t)
			p.supervisor.stop(t)
			need.Eventually(t, "the settings are as they were", func() bool { return l.settings(t) == before })
			l.advertises(t) // or the kernel takes it that there are none left to forget
			l.host.sh(t, "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
			need.Eventually(t, "control: a host that is simply made a router forgets advertised routes", func() bool { return !l.advertised(t) })
		})
	}
}

// lends6 sees that nothing changes but the one setting that is lent, which the service remembers.
func (l *lab) lends6(t *testing.T, p *pod, before string) {
	t.Helper()
	l.works6(t, p, "with forwarding off")
	if found := l.across6(t); len(found) != 0 || l.intrudes6(t) {
		t.Errorf("with a pod, the host forwards to the LAN, and to %q", found)
	}
	changed := strings.Replace(before, "up0 force_forwarding 0", "up0 force_forwarding 1", 1)
	if l.old {
		changed = strings.Replace(before, "all forwarding 0", "all forwarding 1", 1)
	}
	if got := l.settings(t); got != changed || got == before {
		t.Errorf("with a pod, the settings were\n%s\nand are\n%s", before, got)
	}
	if !l.advertised(t) {
		t.Error("with a pod, the advertised routes are gone")
	}
	l.advertises(t) // which it takes

	// Killed in the middle of it, it knows.
	l.service.end()
	l.host.sh(t, "[ $(</proc/sys/net/ipv6/conf/all/forwarding) = 0 ] || echo 1 >/proc/sys/net/ipv6/conf/default/forwarding")
	l.serve(t)
	if l.intrudes6(t) || l.settings(t) != changed {
		t.Errorf("after a restart the settings are\n%s", l.settings(t))
	}
}

// isRouter6 has the operator make the host a router, and no router again.
func (l *lab) isRouter6(t *testing.T, p *pod) {
	t.Helper()
	l.host.sh(t, "echo 2 >/proc/sys/net/ipv6/conf/up0/accept_ra; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
	need.Eventually(t, "a router forwards", func() bool { return len(l.across6(t)) == 2 })
	l.works6(t, p, "with a router")
	l.host.sh(t, "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding; echo 1 >/proc/sys/net/ipv6/conf/up0/accept_ra")
	l.works6(t, p, "with a router no more")
	need.Eventually(t, "nobody else gets through", func() bool { return len(l.across6(t)) == 0 })
}

// controlLent6 sees that what stops others is one rule.
func (l *lab) controlLent6(t *testing.T) {
	t.Helper()
	must(t, l.service.Process.Signal(syscall.SIGSTOP))
	l.host.sh(t, "nft flush set inet forkgate lent6; nft flush set inet forkgate shut")
	if !l.intrudes6(t) {
		t.Error("control: without the rule nothing gets to the LAN either")
	}
	must(t, l.service.Process.Signal(syscall.SIGCONT))
	need.Eventually(t, "nobody gets to the LAN again", func() bool { return !l.intrudes6(t) })
}

// What was lent by IPv6 is given back by a service that is told of no IPv6 any more, and its rules have none.
func TestIPv6IsTakenAway(t *testing.T) {
	l := newLab6(t)
	l.old = true
	before := l.settings(t)
	l.serve(t)
	l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything6})
	need.Eventually(t, "something is lent", func() bool { return l.settings(t) != before })
	l.service.end()
	l.range6 = ""
	l.serve(t)
	if got := l.settings(t); got != before {
		t.Errorf("the settings were\n%s\nand are\n%s", before, got)
	}
	if got := l.host.sh(t, "nft list ruleset"); strings.Contains(got, "ip6") {
		t.Errorf("the rules are\n%s", got)
	}
}
