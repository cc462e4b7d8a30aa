package network

import (
	"strings"
	"testing"

	"forkgate/nsjail"
)

var everything6 = []string{"*", "[fd99::9]:443/tcp", "[64:ff9b::/96]:80"}

// outOfReach6 is outOfReach, of IPv6. Each is tried with the rules, and without them, where it has to work.
var outOfReach6 = []struct{ what, network, address, who string }{
	{"a port of the host, on its uplink", "tcp", "[" + host6 + "]:22", "host"},
	{"a port of the host, on its LAN", "tcp", "[fd77::1]:22", "host"},
	{"a port of the host, on the pod's link", "tcp", "[" + hosts6 + "]:22", "host"},
	{"a port of the host, by UDP", "udp", "[" + host6 + "]:53", "host"},
	{"the host, by ping", "ping", hosts6, ""},
	{"another pod", "tcp", "[" + others6 + "]:80", "b0"},
	{"another pod, by UDP", "udp", "[" + others6 + "]:53", "b0"},
	{"another pod, by ping", "ping", others6, ""},
	{"another pod's link", "tcp", "[fd7a:6c1b:9d30::4]:22", "host"},
	{"what another pod publishes", "tcp", "[" + host6 + "]:443", "host"}, // without rules it is the host's own
	{"a neighbour with a public address", "tcp", "[" + gateway6 + "]:80", "internet"},
	{"the LAN", "tcp", "[" + lan6 + "]:80", "lan"},
	{"the LAN, by UDP", "udp", "[" + lan6 + "]:53", "lan"},
	{"the LAN, by ping", "ping", lan6, ""},
	{"the metadata service of AWS", "tcp", "[fd00:ec2::254]:80", "internet"},
	{"the metadata service of AWS, by UDP", "udp", "[fd00:ec2::254]:53", "internet"},
	{"the metadata service of Google", "tcp", "[fd20:ce::254]:80", "internet"},
	{"the metadata service of Oracle Cloud", "tcp", "[fd00:c1::a9fe:a9fe]:80", "internet"},
	{"the metadata service of Scaleway", "tcp", "[fd00:42::42]:80", "internet"},
	{"a metadata service, through NAT64 that is open", "tcp", "[64:ff9b::a9fe:a9fe]:80", "internet"},
	{"NAT64's local range", "tcp", "[64:ff9b:1::a09:90a]:80", "internet"},
	{"6to4", "tcp", "[2002:a09:90a::1]:80", "internet"},
	{"Teredo", "tcp", "[2001::a09:90a]:80", "internet"},
	{"fc00::/7", "tcp", "[fd99::10]:80", "internet"},
	{"another port of a private address that is open", "tcp", "[fd99::9]:80", "internet"},
	{"site-local addresses", "tcp", "[fec0::9]:80", "internet"},
	{"documentation", "tcp", "[2001:db8::1]:80", "internet"},
	{"documentation, the new range", "tcp", "[3fff::1]:80", "internet"},
	{"what is discarded", "tcp", "[100::1]:80", "internet"},
	{"what is reserved", "tcp", "[4000::1]:80", "internet"},
}

func TestOutOfReach6(t *testing.T) {
	l := newLab6(t)
	l.serve(t)
	attacker := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything6})
	l.joins(t, "b0", nsjail.Network{Slot: 2, Egress: []string{"*"}, Publish: []string{"443:8443/tcp"}})
	var all []string
	for _, a := range outOfReach6 {
		all = append(all, a.network+" "+a.address)
	}
	for i, got := range attacker.tryAll(t, all...) {
		if got != "refused" {
			t.Errorf("%s: %s", outOfReach6[i].what, got)
		}
	}
	attacker.reaches(t, []reached{
		{"tcp", "[" + public6 + "]:80", "ok internet " + host6}, {"udp", "[" + public6 + "]:53", "ok internet " + host6},
		{"ping", public6, "ok " + public6}, {"tcp", "[fd99::9]:443", "ok internet " + host6}, {"tcp", "8.8.8.8:80", "ok internet " + hostAddress},
		{"tcp", "[64:ff9b::a09:90a]:80", "ok internet " + host6},
	})
	l.noRules(t)
	for i, got := range attacker.tryAll(t, all...) {
		a := outOfReach6[i]
		want := "ok " + a.who
		if a.network == "ping" {
			want = "ok " + a.address
		}
		for n := 0; n < 3 && !strings.HasPrefix(got, want); n++ { // who asks for a neighbour first may be too late with the rest
			got = attacker.try(t, a.network, a.address)
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("control: without rules, %s: %s: this proves nothing", a.what, got)
		}
	}
}

func TestEgressIsWhatIsOpen6(t *testing.T) {
	l := newLab6(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: []string{
		"[" + public6 + "]:443/tcp", "[2606:4700:4700::/48]:53", "[2606:4700:4700::1001]", "[" + gateway6 + "]:80/tcp", "1.1.1.1:80",
	}, Resolvers: []string{"10.9.9.9", "fd99::9"}})
	ipv4 := l.joins(t, "b0", nsjail.Network{Slot: 2, Egress: []string{"0.0.0.0/0"}})
	ipv6 := l.joins(t, "c0", nsjail.Network{Slot: 3, Egress: []string{"[::/0]"}})
	for _, of := range []struct {
		from       *pod
		open, shut []string
	}{
		{p, []string{
			"tcp [" + public6 + "]:443", "udp [" + public6 + "]:53", "tcp [2606:4700:4700::1001]:22", "ping 2606:4700:4700::1001",
			"tcp [" + gateway6 + "]:80",           // a neighbour, opened by its name
			"udp [fd99::9]:53", "udp 10.9.9.9:53", // the resolvers
			"tcp 1.1.1.1:80",
		}, []string{
			"udp [" + public6 + "]:443", "tcp [" + public6 + "]:80", "ping " + public6, "tcp [2a00:1450::9]:53", "tcp [" + gateway6 + "]:22",
			"tcp [fd99::9]:443", "udp [fd99::10]:53", "tcp 1.1.1.1:22",
		}},
		{ipv4, []string{"tcp 8.8.8.8:80"}, []string{"tcp [" + public6 + "]:80"}},
		{ipv6, []string{"tcp [" + public6 + "]:80"}, []string{"tcp 8.8.8.8:80", "tcp [fd99::10]:80"}},
	} {
		for i, got := range of.from.tryAll(t, append(of.open, of.shut...)...) {
			if i < len(of.open) && !strings.HasPrefix(got, "ok") {
				t.Errorf("%s, which is open: %s", of.open[i], got)
			} else if i >= len(of.open) && got != "refused" {
				t.Errorf("%s: %s", of.shut[i-len(of.open)], got)
			}
		}
	}
}

// Datagrams with a source that is another's, and with headers that make them look like something else.
func TestForged6(t *testing.T) {
	l := newLab6(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: []string{"[" + public6 + "]:53/udp"}})
	l.joins(t, "b0", nsjail.Network{Slot: 2, Egress: everything6})
	heard := func(from, port, headers string) bool {
		text := "forged " + from + " " + port + " " + headers
		p.start(t, "raw6", from, public6, port, text, headers)
		p.start(t, "raw6", pods6, public6, "53", "end", "")
		for forged := false; ; {
			switch l.heard.line(t) {
			case text:
				forged = true
			case "end":
				return forged
			}
		}
	}
	forged := []struct{ from, port, headers string }{
		{others6, "53", ""}, {hosts6, "53", ""}, {"2606:4700:4700::5", "53", ""}, {lan6, "53", ""}, {"fd7a:6c1b:9d30::1003", "53", ""},
		{pods6, "443", ""}, {pods6, "443", "fragments"}, {pods6, "443", "options"}, {others6, "53", "fragments"}, {pods6, "53", "routing"},
	}
	for _, f := range forged {
		if heard(f.from, f.port, f.headers) {
			t.Errorf("a datagram went out: %q", f)
		}
	}
	for _, headers := range []string{"", "fragments", "options"} {
		if !heard(pods6, "53", headers) {
			t.Errorf("one that is permitted does not go out, with %q", headers)
		}
	}
	l.noRules(t)
	for _, f := range forged {
		if f.from != hosts6 && !heard(f.from, f.port, f.headers) { // the kernel itself takes nothing in that claims to be from it
			t.Errorf("control: without rules it does not go out either: %q", f)
		}
	}
}

// With a port published and nothing else, a pod answers callers by both, and can call nobody.
func TestPublish6(t *testing.T) {
	l := newLab6(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Publish: []string{"443:8443/tcp", "53:53/udp"}})
	for _, test := range []struct {
		from              *namespace
		network, at, want string
	}{
		{l.internet, "tcp", "[" + host6 + "]:443", "ok a0 " + gateway6}, // the caller's own address is what the pod sees
		{l.internet, "udp", "[" + host6 + "]:53", "ok a0 " + gateway6},
		{l.internet, "tcp", hostAddress + ":443", "ok a0 " + gatewayAddress},
		{l.host, "tcp", "[" + host6 + "]:443", "ok a0 " + host6},
		{l.internet, "tcp", "[" + host6 + "]:80", "ok host " + gateway6}, // the host's own ports stay its own
		{l.internet, "tcp", "[" + pods6 + "]:8443", "silence"},           // past the published port
		{l.internet, "tcp", "[" + pods6 + "]:80", "silence"},
		{l.internet, "ping", pods6, "silence"},
		{l.host, "tcp", "[" + pods6 + "]:80", "refused"}, // nor do users of the host get in
		{p.namespace, "tcp", "[" + public6 + "]:80", "refused"},
		{p.namespace, "tcp", "[" + host6 + "]:443", "refused"},
	} {
		if got := test.from.try(t, test.network, test.at); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.network, test.at, got, test.want)
		}
	}
	l.noRules(t)
	for _, from := range []*namespace{l.internet, l.host} {
		if got := from.try(t, "tcp", "["+pods6+"]:80"); !strings.HasPrefix(got, "ok a0") {
			t.Errorf("control: without rules, the pod: %s", got)
		}
	}
}
