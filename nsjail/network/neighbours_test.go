package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// What other firewalls load, in the shape in which they load it. Each drops what is forwarded, which a control sees.
var firewalls = []struct{ name, load, again string }{
	{"Docker", "iptables-restore <testdata/docker.rules; echo 1 >/proc/sys/net/ipv4/ip_forward",
		"iptables -F DOCKER-USER; iptables -A DOCKER-USER -j RETURN"},
	{"ufw", "iptables-restore <testdata/ufw.rules",
		"iptables -F ufw-before-forward; iptables -A ufw-before-forward -j ufw-user-forward"},
	{"firewalld", "nft -f testdata/firewalld.nft",
		"nft 'flush chain inet firewalld filter_FORWARD; add rule inet firewalld filter_FORWARD ct status dnat accept; add rule inet firewalld filter_FORWARD reject'"},
}

// Whether the other firewall is there first, comes later, or loads its rules anew: pods reach what is open, and nothing more.
func TestBesideOtherFirewalls(t *testing.T) {
	for _, f := range firewalls {
		t.Run(f.name, func(t *testing.T) {
			l := newLab(t)
			l.host.sh(t, f.load)
			before := l.table(t)
			l.serve(t)
			p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything, Publish: []string{"443:8443/tcp"}})
			l.works(t, p, "with the other there first")
			l.host.sh(t, f.again)
			l.works(t, p, "when it has loaded its rules anew")
			if f.name != "firewalld" {
				if listed := l.host.sh(t, "iptables -S"); !strings.Contains(listed, "-i fg+") {
					t.Errorf("iptables does not understand what was put there:\n%s", listed)
				}
			}
			l.host.sh(t, "nft flush ruleset")
			l.works(t, p, "when it has gone")
			l.host.sh(t, f.load)
			l.works(t, p, "when it comes later")
			p.supervisor.stop(t)
			l.service.stop(t)
			if got := l.table(t); got != before {
				t.Errorf("the other's rules were\n%s\nand are\n%s", before, got)
			}
			l.alone(t)
		})
	}
}

// The same by IPv6, of which firewalld's rules are as well.
func TestBesideOtherFirewalls6(t *testing.T) {
	l := newLab6(t)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything6, Publish: []string{"443:8443/tcp"}})
	for _, chain := range []string{"DOCKER-USER", "ufw6-before-forward"} {
		l.host.sh(t, fmt.Sprintf("ip6tables -P FORWARD DROP; ip6tables -N %s; ip6tables -A FORWARD -j %[1]s", chain))
		l.works6(t, p, "beside "+chain)
		if listed := l.host.sh(t, "ip6tables -S"); !strings.Contains(listed, "-A "+chain+" -i fg+") {
			t.Errorf("ip6tables does not understand what was put there:\n%s", listed)
		}
		must(t, l.service.Process.Signal(syscall.SIGSTOP))
		l.host.sh(t, "ip6tables -F "+chain)
		if got := p.try(t, "tcp", "["+public6+"]:80"); strings.HasPrefix(got, "ok") {
			t.Errorf("control: %s drops nothing: %s", chain, got)
		}
		must(t, l.service.Process.Signal(syscall.SIGCONT))
		l.works6(t, p, "when "+chain+" has its rule again")
		l.host.sh(t, "nft delete table ip6 filter")
	}
	l.host.sh(t, "ip6tables -N DOCKER-USER")
	need.Eventually(t, "Docker's chain has our rules", func() bool { return strings.Contains(l.host.sh(t, "ip6tables -S"), "fg+") })
	p.supervisor.stop(t)
	need.Eventually(t, "with the last pod they go", func() bool { return !strings.Contains(l.host.sh(t, "ip6tables -S"), "fg+") })
}

// Docker's rules are taken away beside its policy to drop, as firewalld does when it stops: pods have no way out then, and the journal
// says what to type. Both hold whether the chains have gone or are empty.
func TestLeftOverPolicyIsToldOf(t *testing.T) {
	log := t.TempDir() + "/log"
	t.Setenv("TEST_NETWORK_LOG", log)
	l := newLoneLab(t)
	l.host.sh(t, firewalls[0].load)
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything, Publish: []string{"443:8443/tcp"}})
	told := func() int {
		text, err := os.ReadFile(log)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return strings.Count(string(text), "run: systemctl restart docker; else")
	}
	l.works(t, p, "with Docker's rules")
	if n := told(); n != 0 {
		t.Errorf("told of %d times when nothing is wrong", n)
	}
	for i, flush := range []string{"iptables -F", "printf '*filter\\n:FORWARD DROP\\nCOMMIT\\n' | iptables-restore"} {
		l.host.sh(t, flush)
		need.Eventually(t, "it is told of after "+flush, func() bool { return told() == i+1 })
		if got := p.try(t, "tcp", "8.8.8.8:80"); strings.HasPrefix(got, "ok") {
			t.Errorf("after %s nothing is wrong: %s", flush, got)
		}
		l.host.sh(t, firewalls[0].load) // what restarting Docker does
		l.works(t, p, "with Docker's rules again")
	}
}

// works sees that a pod reaches what is open to it, is reached where it publishes, and that nothing else is the case.
func (l *lab) works(t *testing.T, p *pod, when string) {
	t.Helper()
	need.Eventually(t, when+", what is open is reached", func() bool { return p.try(t, "tcp", "8.8.8.8:80") == "ok internet "+hostAddress })
	if got := l.internet.try(t, "tcp", hostAddress+":443"); !strings.HasPrefix(got, "ok a0") {
		t.Errorf("%s, the published port: %s", when, got)
	}
	for _, address := range []string{hostAddress + ":22", "169.254.169.254:80", lanAddress + ":80"} {
		if got := p.try(t, "tcp", address); got != "refused" {
			t.Errorf("%s, %s: %s", when, address, got)
		}
	}
	if got := l.internet.try(t, "tcp", "10.214.0.6:80"); strings.HasPrefix(got, "ok") {
		t.Errorf("%s, past the published port: %s", when, got)
	}
}

// alone is the control: with nothing put in its way, the other firewall drops what pods forward.
func (l *lab) alone(t *testing.T) {
	t.Helper()
	l.serve(t)
	p := l.joins(t, "a0", nsjail.Network{Slot: 1, Egress: everything})
	l.service.end()
	taken := l.host.sh(t, `for chain in "ip filter DOCKER-USER" "ip filter ufw-before-forward" "inet firewalld filter_FORWARD"; do
		{ nft -a list chain $chain 2>/dev/null || true; } | sed -n '/comment "forkgate"/s/.*# handle //p' |
		while read handle; do nft delete rule $chain handle $handle; echo taken; done
	done`)
	if strings.Count(taken, "taken") != 2 {
		t.Errorf("control: these are not the rules that let pods through: %s", taken)
	}
	if got := p.try(t, "tcp", "8.8.8.8:80"); strings.HasPrefix(got, "ok") {
		t.Errorf("control: the other firewall drops nothing: %s", got)
	}
}
