package network

import (
	"strings"
	"syscall"
	"testing"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// A pod makes itself known to the host under many addresses, of which the host's table takes none: both ends know each other, and neither
// has a link-local address. That the pod's root makes some, and the host for once too, is of no use.
func TestLinks6(t *testing.T) {
	l := newLab6(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything6})
	if got := p.sh(t, "ip -6 -o address show dev eth0; ip -6 route show default"); strings.Contains(got, "fe80") || !strings.Contains(got, "default via "+hosts6) {
		t.Errorf("the pod has\n%s", got)
	}
	if got := l.host.sh(t, "ip -6 -o address show dev fg1"); strings.Contains(got, "fe80") || !strings.Contains(got, hosts6) {
		t.Errorf("the host's end has\n%s", got)
	}
	const many = 200
	known := func() int {
		p.start(t, "neighbours", hosts6, "200", "eth0")
		return len(grep(l.host.sh(t, "ip -6 neigh show dev fg1"), "fe80"))
	}
	if n := known(); n != 0 {
		t.Errorf("the host knows %d neighbours on a pod's link", n)
	}
	if got := l.host.sh(t, "ip -6 neigh show dev fg1"); !strings.Contains(got, pods6+" lladdr 02:00:00:00:01:01 PERMANENT") {
		t.Errorf("the host's neighbours are\n%s", got)
	}
	p.sh(t, "ip address add fe80::3/64 dev eth0 nodad; ip -6 neigh replace fe80::1 dev eth0 lladdr 02:00:00:00:01:00")
	l.host.sh(t, "ip address add fe80::1/64 dev fg1 nodad; ip -6 neigh replace fe80::3 dev fg1 lladdr 02:00:00:00:01:01")
	const host = "[fe80::1%eth0]:22"
	if got := p.try(t, "tcp", host); got != "silence" && got != "refused" {
		t.Errorf("a link-local address of the host: %s", got)
	}
	l.noRules(t)
	if got := p.try(t, "tcp", host); !strings.HasPrefix(got, "ok host") {
		t.Errorf("control: without rules a link-local address of the host: %s", got)
	}
	need.Eventually(t, "control: without rules the host knows its neighbours", func() bool { return known() >= many })
}

// While the rules are away nothing of a pod's passes by IPv6 either, and they come back with what the pod has.
func TestNothingPassesWhileTheRulesAreAway6(t *testing.T) {
	l := newLab6(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything6})
	want := l.table(t)
	must(t, l.service.Process.Signal(syscall.SIGSTOP))
	l.host.sh(t, "nft flush ruleset; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
	tries := []string{"[" + hosts6 + "]:22", "[" + lan6 + "]:80", "[fd99::10]:80", "[" + public6 + "]:80"}
	for _, a := range tries {
		if got := p.try(t, "tcp", a); got != "silence" {
			t.Errorf("with the rules away, %s: %s", a, got)
		}
	}
	must(t, l.service.Process.Signal(syscall.SIGCONT))
	need.Eventually(t, "the rules are back", func() bool { return strings.Contains(l.host.sh(t, "nft list ruleset"), "chain from_pod6 {") })
	if got := p.try(t, "tcp", "["+public6+"]:80"); got != "ok internet "+host6 {
		t.Errorf("what is open: %s", got)
	}
	l.host.sh(t, "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")
	need.Eventually(t, "the rules are as they were", func() bool { return l.table(t) == want })
	l.noRules(t)
	for _, a := range tries {
		if got := p.try(t, "tcp", a); !strings.HasPrefix(got, "ok") {
			t.Errorf("control: without the fence, %s: %s", a, got)
		}
	}
}
