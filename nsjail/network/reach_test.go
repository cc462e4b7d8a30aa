package network

import (
	"testing"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

var everything = []string{"*", "10.9.9.9:443/tcp"}

// outOfReach are what no pod with egress "*" gets to. Each is tried with the rules, and without them, where it has to work.
var outOfReach = []struct{ what, network, address, who string }{
	{"a port of the host, on its uplink", "tcp", hostAddress + ":22", "host"},
	{"a port of the host, on its LAN", "tcp", "192.168.77.1:22", "host"},
	{"a port of the host, on the pod's link", "tcp", "10.214.0.5:22", "host"},
	{"a port of the host, by UDP", "udp", hostAddress + ":53", "host"},
	{"the host, by ping", "ping", "10.214.0.5", ""},
	{"another pod", "tcp", "10.214.0.10:80", "b0"},
	{"another pod, by UDP", "udp", "10.214.0.10:53", "b0"},
	{"another pod, by ping", "ping", "10.214.0.10", ""},
	{"another pod's link", "tcp", "10.214.0.9:22", "host"},
	{"what another pod publishes", "tcp", hostAddress + ":443", "host"}, // without rules it is the host's own
	{"a neighbour with a public address", "tcp", gatewayAddress + ":80", "internet"},
	{"the LAN", "tcp", lanAddress + ":80", "lan"},
	{"the LAN, by UDP", "udp", lanAddress + ":53", "lan"},
	{"the LAN, by ping", "ping", lanAddress, ""},
	{"the metadata service", "tcp", "169.254.169.254:80", "internet"},
	{"the metadata service, by UDP", "udp", "169.254.169.254:53", "internet"},
	{"the metadata service of Azure", "tcp", "168.63.129.16:80", "internet"},
	{"the metadata service of Alibaba Cloud", "tcp", "100.100.100.200:80", "internet"},
	{"the metadata service of Oracle Cloud", "tcp", "192.0.0.192:80", "internet"},
	{"10.0.0.0/8", "tcp", "10.9.9.10:80", "internet"},
	{"another port of a private address that is open", "tcp", "10.9.9.9:80", "internet"},
	{"172.16.0.0/12", "tcp", "172.20.1.1:80", "internet"},
	{"192.168.0.0/16", "tcp", "192.168.99.1:80", "internet"},
	{"100.64.0.0/10", "tcp", "100.64.1.1:80", "internet"},
	{"198.18.0.0/15", "tcp", "198.18.0.1:80", "internet"},
}

// reached is a place that is open, and what who tries it prints.
type reached struct{ network, address, want string }

func (p *pod) reaches(t *testing.T, places []reached) {
	t.Helper()
	for _, a := range places {
		if got := p.try(t, a.network, a.address); got != a.want {
			t.Errorf("%s %s, which is open: %s", a.network, a.address, got)
		}
	}
}

func TestOutOfReach(t *testing.T) {
	l := newLab(t)
	l.serve(t)
	attacker := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	l.joins(t, "b0", nsjail.Network{Slot: 2, Egress: []string{"*"}, Publish: []string{"443:8443/tcp"}})
	for _, a := range outOfReach {
		// At once, and not after a wait: callers are to know.
		if got := attacker.try(t, a.network, a.address); got != "refused" {
			t.Errorf("%s: %s", a.what, got)
		}
	}
	attacker.reaches(t, []reached{
		{"tcp", "8.8.8.8:80", "ok internet " + hostAddress}, {"udp", "8.8.8.8:53", "ok internet " + hostAddress},
		{"ping", "8.8.8.8", "ok 8.8.8.8"}, {"tcp", "10.9.9.9:443", "ok internet " + hostAddress},
	})
	l.noRules(t)
	for _, a := range outOfReach {
		want := "ok " + a.who
		if a.network == "ping" {
			want = "ok " + a.address
		}
		if got := attacker.try(t, a.network, a.address); len(got) < len(want) || got[:len(want)] != want {
			t.Errorf("control: without rules, %s: %s: this proves nothing", a.what, got)
		}
	}
}

// The pod's root makes itself IPv6 addresses and routes.
func TestNoIPv6(t *testing.T) {
	l := newLab(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	arrange := func() {
		p.sh(t, "sysctl -qw net.ipv6.conf.all.disable_ipv6=0; ip address add fd00::2/64 dev eth0 nodad || true; ip route replace default via fd00::1 dev eth0")
		l.host.sh(t, "sysctl -qw net.ipv6.conf.fg1.disable_ipv6=0 net.ipv6.conf.all.forwarding=1; ip address replace fd00::1/64 dev fg1 nodad; sleep 0.1")
	}
	arrange()
	l.internet.sh(t, "ip route add fd00::/64 via 2001:4860::2")
	for _, address := range []string{"[fd00::1]:22", "[2001:4860::2]:22", "[2001:4860::1]:80"} {
		if got := p.try(t, "tcp", address); got != "silence" && got != "refused" {
			t.Errorf("%s: %s", address, got)
		}
	}
	l.noRules(t)
	arrange()
	for address, want := range map[string]string{"[fd00::1]:22": "ok host fd00::2", "[2001:4860::1]:80": "ok internet fd00::2"} {
		need.Eventually(t, "control: without rules "+address+" is reached", func() bool { return p.try(t, "tcp", address) == want })
	}
}

func TestSpoofedSource(t *testing.T) {
	l := newLab(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	l.joins(t, "b0", nsjail.Network{Slot: 2, Egress: everything})
	l.host.sh(t, "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done") // the rules alone have to hold
	heard := func(from string) bool {
		p.start(t, "spoof", from, "8.8.8.8", "53", "spoofed from "+from)
		p.start(t, "spoof", "10.214.0.6", "8.8.8.8", "53", "end") // its own address
		for spoofed := false; ; {
			switch l.heard.line(t) {
			case "spoofed from " + from:
				spoofed = true
			case "end":
				return spoofed
			}
		}
	}
	sources := []string{"10.214.0.10", "10.214.0.5", lanAddress, hostAddress, "9.9.9.9", "10.214.0.7"}
	for _, from := range sources {
		if heard(from) {
			t.Errorf("a datagram from %s went out", from)
		}
	}
	l.noRules(t)
	for _, from := range sources {
		if from == hostAddress || from == "10.214.0.5" {
			continue // the kernel itself takes nothing in that claims to be from it
		}
		if !heard(from) {
			t.Errorf("control: a datagram from %s does not go out without the rules either", from)
		}
	}
}

func TestEgressIsWhatIsOpen(t *testing.T) {
	l := newLab(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: []string{
		"8.8.8.8:443/tcp", "8.8.8.0/24:53", "1.1.1.1", gatewayAddress + ":80/tcp", "93.184.0.0/16:22",
		"93.184.217.0/24:80/tcp", "93.184.217.9", "93.184.217.9:443",
	}, Resolvers: []string{"10.9.9.9"}})
	for _, test := range []struct {
		network, address string
		open             bool
	}{
		{"tcp", "8.8.8.8:443", true},
		{"udp", "8.8.8.8:443", false},
		{"tcp", "8.8.8.8:80", false},
		{"tcp", "8.8.8.8:53", true},
		{"udp", "8.8.8.8:53", true},
		{"ping", "8.8.8.8", false},
		{"tcp", "1.1.1.1:22", true},
		{"udp", "1.1.1.1:80", true},
		{"ping", "1.1.1.1", true},
		{"tcp", "93.184.217.9:80", true}, // open twice over
		{"tcp", "93.184.217.9:22", true},
		{"tcp", gatewayAddress + ":80", true},  // a neighbour, opened by its name
		{"tcp", gatewayAddress + ":22", false}, // and not by a range that it is in
		{"tcp", "93.184.217.9:22", true},
		{"udp", "10.9.9.9:53", true}, // the resolver
		{"tcp", "10.9.9.9:53", true},
		{"tcp", "10.9.9.9:443", false},
		{"udp", "10.9.9.10:53", false},
		{"tcp", hostAddress + ":22", false},
	} {
		got := p.try(t, test.network, test.address)
		if open := len(got) > 2 && got[:2] == "ok"; open != test.open || !open && got != "refused" {
			t.Errorf("%s %s: %s", test.network, test.address, got)
		}
	}
}

// With a port published and nothing else, a pod answers callers and can call nobody.
func TestPublish(t *testing.T) {
	l := newLab(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Publish: []string{"443:8443/tcp", "53:53/udp"}})
	for _, test := range []struct {
		from              *namespace
		network, at, want string
	}{
		{l.internet, "tcp", hostAddress + ":443", "ok a0 " + gatewayAddress}, // the caller's own address is what the pod sees
		{l.internet, "udp", hostAddress + ":53", "ok a0 " + gatewayAddress},
		{l.host, "tcp", hostAddress + ":443", "ok a0 " + hostAddress},
		{l.internet, "tcp", hostAddress + ":80", "ok host " + gatewayAddress}, // the host's own ports stay its own
		{l.internet, "tcp", "10.214.0.6:8443", "silence"},                     // past the published port
		{l.internet, "tcp", "10.214.0.6:80", "silence"},
		{l.internet, "ping", "10.214.0.6", "silence"},
		{l.host, "tcp", "10.214.0.6:80", "refused"}, // nor do users of the host get in
		{p.namespace, "tcp", "8.8.8.8:80", "refused"},
		{p.namespace, "tcp", hostAddress + ":443", "refused"},
	} {
		if got := test.from.try(t, test.network, test.at); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.network, test.at, got, test.want)
		}
	}
	l.noRules(t)
	for _, from := range []*namespace{l.internet, l.host} {
		if got := from.try(t, "tcp", "10.214.0.6:80"); len(got) < 5 || got[:5] != "ok a0" {
			t.Errorf("control: without rules, the pod: %s", got)
		}
	}
}
