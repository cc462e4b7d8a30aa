package network

import (
	"strings"
	"testing"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// across are the ways from the uplink to the LAN and back that the host forwards.
func (l *lab) across(t *testing.T) (found []string) {
	t.Helper()
	for _, try := range []struct {
		from    *namespace
		address string
	}{{l.internet, lanAddress + ":80"}, {l.lan, gatewayAddress + ":80"}} {
		if got := try.from.try(t, "tcp", try.address); strings.HasPrefix(got, "ok") {
			found = append(found, try.address)
		}
	}
	return found
}

// intrudes reports whether a datagram from the internet gets to the LAN. An answer need not come back for it to do harm.
func (l *lab) intrudes(t *testing.T) bool {
	t.Helper()
	l.internet.start(t, "spoof", gatewayAddress, lanAddress, "53", "intruder")
	l.host.start(t, "spoof", "192.168.77.1", lanAddress, "53", "end")
	for intruded := false; ; {
		switch l.lanHeard.line(t) {
		case "intruder":
			intruded = true
		case "end":
			return intruded
		}
	}
}

func (l *lab) forwarding(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(l.host.sh(t, "cat /proc/sys/net/ipv4/conf/"+name+"/forwarding"))
}

// A host that forwarded nothing forwards for pods, and for nobody else: not from the uplink to the LAN nor back.
func TestForwardingOpensNothing(t *testing.T) {
	l := newLab(t)
	l.internet.sh(t, "ip route add 192.168.77.0/24 via "+hostAddress)
	l.host.sh(t, "echo 0 >/proc/sys/net/ipv4/ip_forward")
	l.serve(t)
	if l.forwarding(t, "up0") != "0" {
		t.Error("the host forwards before there is a pod")
	}
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything, Publish: []string{"443:8443/tcp"}})
	l.works(t, p, "with ip_forward=0")
	if found := l.across(t); len(found) != 0 || l.intrudes(t) {
		t.Errorf("with a pod, the host forwards to the LAN, and to %q", found)
	}
	if all, lan, up := l.forwarding(t, "all"), l.forwarding(t, "lan0"), l.forwarding(t, "up0"); all != "0" || lan != "0" || up != "1" {
		t.Errorf("forwarding: all %s, lan0 %s, up0 %s", all, lan, up)
	}

	// The operator makes the host a router: then it is one, and still none for pods.
	l.host.sh(t, "echo 1 >/proc/sys/net/ipv4/ip_forward")
	need.Eventually(t, "a router forwards", func() bool { return len(l.across(t)) == 2 })
	l.works(t, p, "with ip_forward=1")

	// And turns that off again, which turns it off on every link.
	l.host.sh(t, "echo 0 >/proc/sys/net/ipv4/ip_forward")
	l.works(t, p, "with ip_forward=0 again")
	need.Eventually(t, "nobody else gets through", func() bool { return len(l.across(t)) == 0 })

	// A service that was killed knows what it has lent.
	l.service.end()
	l.serve(t)
	if l.intrudes(t) || l.forwarding(t, "up0") != "1" {
		t.Error("after a restart the host forwards to the LAN")
	}
	p.supervisor.stop(t)
	need.Eventually(t, "the host forwards nothing after the last pod", func() bool { return l.forwarding(t, "up0") == "0" })
}

// Control for the test above: what stops others is one rule. Without it, forwarding of the uplink alone lets them in.
func TestLentForwardingWouldOpenTheLAN(t *testing.T) {
	l := newLab(t)
	l.internet.sh(t, "ip route add 192.168.77.0/24 via "+hostAddress)
	l.host.sh(t, "echo 0 >/proc/sys/net/ipv4/ip_forward")
	l.serve(t)
	l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	l.service.end()
	if l.intrudes(t) {
		t.Error("with the rule, a datagram gets to the LAN")
	}
	l.host.sh(t, "nft flush set inet forkgate lent")
	if !l.intrudes(t) {
		t.Error("control: without the rule nothing gets to the LAN either")
	}
}

// The operator's own forwarding, of one interface, is not taken for something lent.
func TestForwardingOfOneInterface(t *testing.T) {
	l := newLab(t)
	l.host.sh(t, "echo 0 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv4/conf/up0/forwarding; echo 1 >/proc/sys/net/ipv4/conf/lan0/forwarding")
	l.internet.sh(t, "ip route add 192.168.77.0/24 via "+hostAddress)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	if got := l.internet.try(t, "tcp", lanAddress+":80"); !strings.HasPrefix(got, "ok lan") {
		t.Errorf("what the operator has opened: %s", got)
	}
	p.supervisor.stop(t)
	l.service.stop(t)
	if got := l.forwarding(t, "up0"); got != "1" {
		t.Errorf("the operator's forwarding is %s", got)
	}
}

// Another interface becomes the uplink: pods follow, and what was it is none any more.
func TestUplinkChanges(t *testing.T) {
	l := newLab(t)
	l.lan.sh(t, "ip address add 8.8.4.4/32 dev lo")
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	if got := p.try(t, "tcp", "8.8.4.4:80"); strings.HasPrefix(got, "ok") {
		t.Fatalf("control: it is reached by the old uplink: %s", got)
	}
	l.host.sh(t, "ip route replace default via "+lanAddress)
	need.Eventually(t, "the new uplink is used", func() bool { return strings.HasPrefix(p.try(t, "tcp", "8.8.4.4:80"), "ok lan") })
	l.host.sh(t, "ip route add 8.8.8.8/32 via "+gatewayAddress)
	if got := p.try(t, "tcp", "8.8.8.8:80"); got != "refused" {
		t.Errorf("an interface that is no uplink any more: %s", got)
	}
}
