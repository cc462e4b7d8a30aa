package network

import (
	"strings"
	"testing"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// ways are how a host has interfaces forward IPv6, as families has it.
var ways = map[string]bool{"interface by interface": false, "all or nothing": true}

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
	for _, address := range []string{"[" + host6 + "]:22", "[fd00:ec2::254]:80", "[" + lan6 + "]:80"} {
		if got := p.try(t, "tcp", address); got != "refused" {
			t.Errorf("%s, %s: %s", when, address, got)
		}
	}
}

// A host that forwarded nothing by IPv6 forwards for pods, and for nobody else, with this kernel's way and with that of older ones; and it
// goes on to take what routers advertise.
func TestForwardingOpensNothing6(t *testing.T) {
	for name, old := range ways {
		t.Run(name, func(t *testing.T) {
			l := newLab6(t)
			l.old = old
			advertised := func() bool {
				routes := l.host.sh(t, "ip -6 route show dev up0")
				return strings.Contains(routes, "default via fe80::a9fe:a9fe proto ra") && strings.Contains(routes, "2001:db8:1::/64 proto kernel")
			}
			l.host.sh(t, "ip -6 route del default") // a router is to say
			l.internet.start(t, "advertise")
			need.Eventually(t, "the host has advertised routes", advertised)
			before := l.settings(t)
			l.serve(t)
			if got := l.settings(t); got != before {
				t.Errorf("before there is a pod the settings were\n%s\nand are\n%s", before, got)
			}
			p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything6, Publish: []string{"443:8443/tcp"}})
			l.works6(t, p, "with forwarding off")
			if found := l.across6(t); len(found) != 0 || l.intrudes6(t) {
				t.Errorf("with a pod, the host forwards to the LAN, and to %q", found)
			}
			changed := strings.Replace(before, "up0 force_forwarding 0", "up0 force_forwarding 1", 1)
			if old {
				changed = strings.Replace(before, "all forwarding 0", "all forwarding 1", 1)
			}
			if got := l.settings(t); got != changed || got == before {
				t.Errorf("with a pod, the settings were\n%s\nand are\n%s", before, got)
			}
			if !advertised() {
				t.Error("with a pod, the advertised routes are gone")
			}
			l.host.sh(t, "ip -6 route del default; ip -6 route del 2001:db8:1::/64")
			l.internet.start(t, "advertise")
			need.Eventually(t, "with a pod, the host takes new advertisements", advertised)

			// Killed in the middle, it knows what it has lent.
			l.service.end()
			l.host.sh(t, "[ $(</proc/sys/net/ipv6/conf/all/forwarding) = 0 ] || echo 1 >/proc/sys/net/ipv6/conf/default/forwarding")
			l.serve(t)
			if l.intrudes6(t) || l.settings(t) != changed {
				t.Errorf("after a restart the settings are\n%s", l.settings(t))
			}

			// The operator makes the host a router, and no router again.
			l.host.sh(t, "echo 2 >/proc/sys/net/ipv6/conf/up0/accept_ra; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
			need.Eventually(t, "a router forwards", func() bool { return len(l.across6(t)) == 2 })
			l.works6(t, p, "with a router")
			l.host.sh(t, "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding; echo 1 >/proc/sys/net/ipv6/conf/up0/accept_ra")
			l.works6(t, p, "with a router no more")
			need.Eventually(t, "nobody else gets through", func() bool { return len(l.across6(t)) == 0 })

			p.supervisor.stop(t)
			need.Eventually(t, "the settings are as they were", func() bool { return l.settings(t) == before })
		})
	}
}

// Control for the test above: what stops others is one rule; and what keeps the routes is that forwarding is not simply switched on.
func TestLentForwardingWouldOpenTheLAN6(t *testing.T) {
	for name, old := range ways {
		t.Run(name, func(t *testing.T) {
			l := newLab6(t)
			l.old = old
			set := "lent6"
			if old {
				set = "shut"
			}
			l.serve(t)
			l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything6})
			l.service.end()
			if l.intrudes6(t) {
				t.Error("with the rule, a datagram gets to the LAN")
			}
			l.host.sh(t, "nft flush set inet forkgate "+set)
			if !l.intrudes6(t) {
				t.Errorf("control: without the rule of %s nothing gets to the LAN either", set)
			}
			l.host.sh(t, "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")
			l.internet.start(t, "advertise")
			advertised := func() bool { return strings.Contains(l.host.sh(t, "ip -6 route"), "default via fe80::a9fe:a9fe") }
			need.Eventually(t, "there is an advertised route", advertised)
			l.host.sh(t, "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
			need.Eventually(t, "control: a host that is made a router forgets advertised routes", func() bool { return !advertised() })
		})
	}
}

// What was lent by IPv6 is given back by a service that is told of no IPv6 any more, and a host that had pods with it has rules without.
func TestIPv6IsTakenAway(t *testing.T) {
	for name, old := range ways {
		t.Run(name, func(t *testing.T) {
			l := newLab6(t)
			l.old = old
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
		})
	}
}
