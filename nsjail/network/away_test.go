package network

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// attempts are connections that the rules forbid, and that come about where there are none.
var attempts = []struct{ what, from, address string }{
	{"a port of the host", "pod", hostAddress + ":22"},
	{"the pod, from the host", "host", "10.214.0.6:80"},
	{"the LAN", "pod", lanAddress + ":80"},
	{"a private address", "pod", "10.9.9.10:80"},
	{"another pod", "pod", "10.214.0.10:80"},
	{"the pod, from outside", "internet", "10.214.0.6:80"},
}

// siege is a host that forwards, and where something else than our table has connections tracked, with a pod that may reach what is
// public.
func siege(t *testing.T) (l *lab, from map[string]*namespace) {
	t.Helper()
	l = newLab(t)
	l.host.sh(t, `echo 1 >/proc/sys/net/ipv4/ip_forward
		nft 'add table inet other; add chain inet other c { type filter hook input priority 0; }; add rule inet other c ct state established accept'`)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything, Publish: []string{"443:8443/tcp"}})
	l.joins(t, "b0", nsjail.Network{Slot: 2, Egress: everything})
	return l, map[string]*namespace{"pod": p.namespace, "host": l.host, "internet": l.internet}
}

// attack makes the connections that are forbidden, each of which has to come about.
func attack(t *testing.T, from map[string]*namespace) (held []*program) {
	t.Helper()
	for _, a := range attempts {
		p := from[a.from].launch(t, "hold-one", a.address)
		if got := p.line(t); got != "ok" {
			t.Errorf("control: with the rules away, %s: %s", a.what, got)
		}
		held = append(held, p)
	}
	return held
}

// lives asks a connection that is held whether it still is one.
func (p *program) lives(t *testing.T) bool {
	t.Helper()
	_, err := fmt.Fprintln(p.stdin, "more")
	return err == nil && p.line(t) == "ok"
}

// What connects while somebody has taken the rules away is cut off when they are back, but for what they permit.
func TestMadeWhileTheRulesAreAway(t *testing.T) {
	l, from := siege(t)
	l.service.end() // or there is a fence
	l.host.sh(t, "nft delete table inet forkgate")
	held := attack(t, from)
	permitted := from["pod"].holds(t, "8.8.8.8:80")
	l.serve(t)
	for i, a := range attempts {
		if held[i].lives(t) {
			t.Errorf("with the rules back, %s: the connection lives on", a.what)
		}
	}
	if !permitted.lives(t) {
		t.Error("a connection that is permitted does not live on")
	}
}

// Control for the test above: without the mark they live on.
func TestWithoutMarksTheyLiveOn(t *testing.T) {
	l, from := siege(t)
	l.service.end()
	table := l.host.sh(t, "nft list table inet forkgate")
	const marked = "ct mark & 0x00001000 == 0x00001000 "
	if strings.Count(table, marked) != 7 {
		t.Fatalf("these are not the rules:\n%s", table)
	}
	unmarked := t.TempDir() + "/table"
	must(t, os.WriteFile(unmarked, []byte(strings.ReplaceAll(table, marked, "")), 0o600))
	l.host.sh(t, "nft delete table inet forkgate")
	held := attack(t, from)
	l.host.sh(t, "nft -f "+unmarked)
	for i, a := range attempts {
		if !held[i].lives(t) {
			t.Errorf("control: without marks, %s: the connection does not live on either", a.what)
		}
	}
}

// While the rules are away nothing of a pod's passes, and nobody takes away what sees to that. The tests above see that all of it comes
// about where there is no fence.
func TestNothingPassesWhileTheRulesAreAway(t *testing.T) {
	l, from := siege(t)
	must(t, l.service.Process.Signal(syscall.SIGSTOP)) // so that it does not bring them back
	for _, flush := range []string{"nft flush ruleset", "nft delete table inet forkgate_fence", "nft flush table inet forkgate_fence",
		"nft add table inet forkgate_fence '{ flags dormant; }'", "nft insert rule inet forkgate_fence forward accept"} {
		_ = l.host.command("sh", "-c", flush).Run()
	}
	if rules := l.host.sh(t, "nft list ruleset"); strings.Contains(rules, "table inet forkgate {") || len(grep(rules, `iifname "fg*" meta mark & 0x00001000 == 0x00000000 drop`)) != 2 {
		t.Errorf("after a flush the rules are\n%s", rules)
	}
	for _, a := range attempts {
		if got := from[a.from].try(t, "tcp", a.address); got != "silence" {
			t.Errorf("with the rules away, %s: %s", a.what, got)
		}
	}
	if got := l.internet.try(t, "tcp", hostAddress+":80"); !strings.HasPrefix(got, "ok host") {
		t.Errorf("with the rules away, a port of the host from outside, which is no matter of pods: %s", got)
	}
	must(t, l.service.Process.Signal(syscall.SIGCONT))
	need.Eventually(t, "what is permitted passes again", func() bool { return from["pod"].try(t, "tcp", "8.8.8.8:80") == "ok internet "+hostAddress })
}

// holds makes a connection, and holds it.
func (n *namespace) holds(t *testing.T, address string) *program {
	t.Helper()
	p := n.launch(t, "hold-one", address)
	if got := p.line(t); got != "ok" {
		t.Fatalf("%s: %s", address, got)
	}
	return p
}

// Connections that are permitted go on when the rules are taken away and come back, and when somebody takes their marks or has marks of
// his own, which stay.
func TestPermittedConnectionsGoOn(t *testing.T) {
	l, from := siege(t)
	begin := func() []*program {
		return []*program{from["pod"].holds(t, "8.8.8.8:80"), l.internet.holds(t, hostAddress+":443"), l.host.holds(t, hostAddress+":443")}
	}
	held := begin()
	for what, do := range map[string]string{
		"a flush":         "nft delete table inet forkgate",
		"ten flushes":     "for i in 1 2 3 4 5 6 7 8 9 10; do nft delete table inet forkgate; until nft list table inet forkgate >/dev/null 2>&1; do :; done; done",
		"marks are taken": takes("ct mark set 0", "meta mark set 0"),
		"marks are set":   takes("ct mark set ct mark or 0x7", "meta mark set ct mark"),
	} {
		l.host.sh(t, do)
		need.Eventually(t, "the rules are back", func() bool { return strings.Contains(l.host.sh(t, "nft list ruleset"), "chain from_pod {") })
		for i, p := range append(held, begin()...) {
			if !p.lives(t) {
				t.Errorf("%s: connection %d does not go on", what, i)
			}
		}
	}
	if tracked := l.host.sh(t, "cat /proc/net/nf_conntrack"); len(grep(tracked, "mark=4103 ")) == 0 {
		t.Errorf("no connection has our mark and the other's, 0x1007:\n%s", tracked)
	}
}

// takes has somebody change the marks of all packets and connections, after whatever else has done so.
func takes(rules ...string) string {
	do := "nft 'add table inet marks; flush table inet marks; "
	for _, hook := range []string{"prerouting", "output"} {
		do += fmt.Sprintf("add chain inet marks %s { type filter hook %[1]s priority mangle; }; ", hook)
		for _, r := range rules {
			do += fmt.Sprintf("add rule inet marks %s %s; ", hook, r)
		}
	}
	return do + "'"
}
