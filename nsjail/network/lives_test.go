package network

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
	"forkgate/tests/need"
)

// With its supervisor, however it ends, the elements of a pod go, and after the last pod, with the service, all.
func TestPodsLeaveNothing(t *testing.T) {
	l := newLab6(t)
	l.serve(t)
	before := l.table(t)
	for what, sig := range map[string]syscall.Signal{"in order": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything, Publish: []string{"443:8443/tcp"}})
		if got := p.try(t, "tcp", "8.8.8.8:80"); got != "ok internet "+hostAddress {
			t.Fatalf("the pod: %s", got)
		}
		if len(grep(l.host.sh(t, "cat /proc/net/nf_conntrack"), "=10.214.0.6 ")) == 0 {
			t.Error("control: nothing is tracked of the pod's connection")
		}
		if err := p.supervisor.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = p.supervisor.Wait()
		need.Eventually(t, "the rules are gone of a supervisor that ended "+what, func() bool { return l.table(t) == before })
		// What comes for an old connection must not get to the next pod in the slot.
		need.Eventually(t, "its connections are forgotten", func() bool {
			return len(grep(l.host.sh(t, "cat /proc/net/nf_conntrack"), "=10.214.0.6 ")) == 0
		})
		if got := p.try(t, "tcp", "8.8.8.8:80"); strings.HasPrefix(got, "ok") {
			t.Errorf("a pod whose supervisor ended %s reaches: %s", what, got)
		}
		if sig == syscall.SIGTERM && len(grep(l.host.sh(t, "ip -o link"), "fg1")) > 0 {
			t.Error("the link is still there")
		}
	}
	l.service.stop(t)
	if got := l.table(t); got != "" {
		t.Errorf("after the service there are rules:\n%s", got)
	}
}

// A pod's connections go on while the service is killed, restarted and stopped, and new ones are made.
func TestServiceRestarts(t *testing.T) {
	l := newLab(t)
	l.serve(t)
	n := nsjail.Network{Slot: 1, Egress: everything, Publish: []string{"443:8443/tcp"}}
	p := l.joins(t, "a0", n)
	held := p.launch(t, "hold-one", "8.8.8.8:80")
	if got := held.line(t); got != "ok" {
		t.Fatalf("a connection: %s", got)
	}
	for _, end := range []func(){l.service.end, func() { l.service.stop(t) }} {
		want := l.table(t)
		end()
		if got := l.table(t); got != want {
			t.Errorf("with no service the rules are\n%s\ninstead of\n%s", got, want)
		}
		for range 2 { // without a service, and with a new one that the pod may not have reached yet
			if got := p.try(t, "tcp", "8.8.8.8:80"); got != "ok internet "+hostAddress {
				t.Errorf("a new connection: %s", got)
			}
			if got := p.try(t, "tcp", "169.254.169.254:80"); got != "refused" {
				t.Errorf("the metadata service: %s", got)
			}
			if got := l.internet.try(t, "tcp", hostAddress+":443"); !strings.HasPrefix(got, "ok a0") {
				t.Errorf("the published port: %s", got)
			}
			if l.service.ProcessState != nil {
				l.serve(t)
			}
		}
		if got := l.table(t); got != want {
			t.Errorf("the new service's rules are\n%s\ninstead of\n%s", got, want)
		}
		if _, err := fmt.Fprintln(held.stdin, "more"); err != nil {
			t.Fatal(err)
		}
		if got := held.line(t); got != "ok" {
			t.Errorf("the connection that was there: %s", got)
		}
	}
	need.Eventually(t, "the pod is claimed again", func() bool {
		return l.host.sh(t, "awk '$6 == \"03\" && $8 == \""+Socket(l.run)+"\"' /proc/net/unix") != ""
	})
	p.supervisor.end()
	need.Eventually(t, "the pod's end is seen", func() bool { return !strings.Contains(l.table(t), "10.214.0.6") })
}

// A pod that ended while there was no service is not given its rules again, though its spec is there.
func TestEndedWithoutService(t *testing.T) {
	l := newLab(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	l.service.end()
	p.supervisor.stop(t)
	if !strings.Contains(l.table(t), "10.214.0.6") {
		t.Fatal("control: the rules went without the service")
	}
	l.serve(t)
	if strings.Contains(l.table(t), "10.214.0.6") {
		t.Errorf("the rules of a pod that has ended:\n%s", l.table(t))
	}
}

func TestRefusedNetworks(t *testing.T) {
	l := newLab(t)
	l.serve(t)
	l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything, Publish: []string{"443:8443/tcp"}})
	want := l.table(t)
	long := make([]string, maxEntries+1)
	for i := range long {
		long[i] = fmt.Sprintf("1.1.1.1:%d", i+1)
	}
	for _, test := range []struct {
		guid string
		n    nsjail.Network
		want string
	}{
		{"b0", nsjail.Network{Slot: 1, Egress: []string{"*"}}, "slot 1 belongs to pod a0"},
		{"b0", nsjail.Network{Slot: -1, Egress: []string{"*"}}, "no slot -1"},
		{"b0", nsjail.Network{Slot: 4096, Egress: []string{"*"}}, "no slot 4096"},
		{"b0", nsjail.Network{Slot: 2, Egress: []string{"169.254.169.254"}}, "never reachable"},
		{"b0", nsjail.Network{Slot: 2, Egress: []string{"* } ; flush ruleset"}}, `write "*"`},
		{"b0", nsjail.Network{Slot: 2, Egress: long}, "more than 256"},
		{"b0", nsjail.Network{Slot: 2, Publish: []string{"443:80/tcp"}}, "published by pod a0"},
		{"b0", nsjail.Network{Slot: 2, Publish: []string{"80:80/tcp", "80:81/tcp"}}, "published by this pod already"},
		{"b0", nsjail.Network{Slot: 2, Publish: []string{"80"}}, "write HOSTPORT:PORT"},
		{"b0", nsjail.Network{Slot: 2, Egress: []string{"*"}, Resolvers: []string{"127.0.0.53"}}, "not this host"},
		{"b0", nsjail.Network{Slot: 2, Egress: []string{"*"}, Resolvers: []string{"1.1.1.1 }"}}, "not this host"},
		{"b0", nsjail.Network{Slot: 2, Egress: []string{"*"}, Resolvers: []string{"1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"}}, "3 resolvers"},
	} {
		if _, said := l.tries(t, test.guid, test.n); !strings.Contains(said, test.want) {
			t.Errorf("%+v: %s, want %s", test.n, said, test.want)
		}
	}
	if got := l.table(t); got != want {
		t.Errorf("what was refused has left something:\n%s\ninstead of\n%s", got, want)
	}
	if links := grep(l.host.sh(t, "ip -o link"), "fg"); len(links) != 1 {
		t.Errorf("links of pods that were refused: %q", links)
	}
	l.host.sh(t, "chmod 777 "+l.run+" "+l.run+"/net; chmod 666 "+Socket(l.run))
	c := l.host.command("setpriv", "--reuid=65534", "--clear-groups", "socat", "-", "UNIX-CONNECT:"+Socket(l.run)+",type=5")
	c.Stdin = strings.NewReader(`{"type":"up","body":{"guid":"c0","network":{"slot":3,"egress":["*"]}}}`)
	if out, _ := c.CombinedOutput(); strings.Contains(string(out), "fg3") {
		t.Errorf("a user who is not root got rules: %s", out)
	}
	c = l.host.command("socat", "-", "UNIX-CONNECT:"+Socket(l.run)+",type=5")
	c.Stdin = strings.NewReader(`{"type":"up","body":{"guid":"c0","network":{"slot":3,"egress":["*"]}}}`)
	if out, err := c.CombinedOutput(); !strings.Contains(string(out), "fg3") {
		t.Errorf("control: root gets none by the same way: %s, %v", out, err)
	}
}

// A pod that restarts gets its slot back though the link of its former self is still on its way out.
func TestSlotIsUsedAgain(t *testing.T) {
	l := newLab(t)
	l.serve(t)
	n := nsjail.Network{Slot: 1, Egress: everything}
	for range 3 {
		p := l.joins(t, "a0", n)
		if got := p.try(t, "tcp", "8.8.8.8:80"); got != "ok internet "+hostAddress {
			t.Errorf("in the slot: %s", got)
		}
		p.supervisor.end() // killed: the link stays until the namespace goes
	}
}

// Nobody guards the rules for long: the pod is off the network then, and back with the service.
func TestNoServiceNoNetwork(t *testing.T) {
	l := newLab6(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	up := func() bool { return len(grep(l.host.sh(t, "ip -o link show fg1"), ",UP")) > 0 }
	if !up() {
		t.Fatal("control: the link is not up")
	}
	l.service.end()
	for deadline := time.Now().Add(wire.Late + 20*time.Second); up(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the link stays up with nobody to guard the rules")
		}
	}
	l.serve(t)
	need.Eventually(t, "the link is up again", up)
	need.Eventually(t, "the pod reaches what is open", func() bool { return p.try(t, "tcp", "8.8.8.8:80") == "ok internet "+hostAddress })
	need.Eventually(t, "and by IPv6", func() bool { return p.try(t, "tcp", "["+public6+"]:80") == "ok internet "+host6 })
}

func TestRangesOfPods6(t *testing.T) {
	for _, bad := range []string{"fd7a::1", "fd7a::1/64", "10.0.0.0/18", "2001:db8::/64", "fc00::/64", "fe80::/64", "fd7a::/116", "fd00::/8", "fd00:ec2::/64", "::ffff:10.0.0.0/115"} {
		if p, err := newPlan(DefaultRange, bad); err == nil || !strings.Contains(err.Error(), "IPv6 addresses from") {
			t.Errorf("%q: %v, %v", bad, p, err)
		}
	}
	for text, want := range map[string]string{"fd7a::/64": "fd7a::1ffe/127 fd7a::1fff/127", "fd7a:0:0:1::2000:0/115": "fd7a::1:0:0:2000:1ffe/127 fd7a::1:0:0:2000:1fff/127"} {
		p, err := newPlan(DefaultRange, text)
		if err != nil {
			t.Fatal(err)
		}
		if l, err := p.link(4095); err != nil || l.Host6.String()+" "+l.Pod6.String() != want || l.Pod.String() != "10.214.63.254/30" {
			t.Errorf("the last slot: %+v, %v", l, err)
		}
	}
}

func TestRangesOfPods(t *testing.T) {
	for _, bad := range []string{"", "10.214.0.0", "10.214.0.1/18", "10.214.0.0/31", "10.0.0.0/8", "8.8.0.0/18", "127.0.0.0/18", "fd00::/64"} {
		if p, err := newPlan(bad, ""); err == nil {
			t.Errorf("%q: %v", bad, p)
		}
	}
	p, err := newPlan(DefaultRange, "")
	if err != nil {
		t.Fatal(err)
	}
	l, err := p.link(4095)
	if err != nil || l.Name != "fg4095" || l.Host.String() != "10.214.63.253/30" || l.Pod.String() != "10.214.63.254/30" {
		t.Errorf("the last slot: %+v, %v", l, err)
	}
	for name, want := range map[string]bool{"fg0": true, "fg12": true, "fg012": false, "fg": false, "fgx": false, "fg-1": false, "eth0": false} {
		if slot, ours := slotOf(name); ours && slot >= 0 != want {
			t.Errorf("%s: slot %d, %v", name, slot, ours)
		}
	}
}

// The embedded rules are what nft(8) takes, with nothing of a template left, and with nothing of IPv6 where there is none.
func TestBaseIsComplete(t *testing.T) {
	four, err := newPlan(DefaultRange, "")
	must(t, err)
	both, err := newPlan(DefaultRange, range6)
	must(t, err)
	for _, word := range []string{"POD_RANGE", "PODS6", "NEVER6", "PRIVATE6", "NEVER", "PRIVATE", "CONNECTIONS", "RATE", "BURST", "UNMARK", "MARK", "IPV6", "BLOCKS"} {
		if !strings.Contains(rules+rules6, word) || strings.Contains(four.base(), word) || strings.Contains(both.base(), word) {
			t.Errorf("%s is not what is replaced", word)
		}
	}
	if strings.Contains(four.base(), "ip6") || !strings.Contains(both.base(), "ip6 saddr "+range6+" oifname @uplinks6 masquerade") {
		t.Errorf("the rules without IPv6 are\n%s", four.base())
	}
}
