package network

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// lab is a network of namespaces: a host, what lies behind its uplink, its LAN, and as many pods as a test wants. The test binary
// is also the programs that run in them (tools_test.go).
type lab struct {
	host, internet, lan *namespace
	run                 string
	range6              string // of pods' IPv6, for tests that want it
	old                 bool   // have it forwarded as kernels before 6.17 do
	service             *program
	heard               *program // the internet's server, which prints what it gets by UDP
	lanHeard            *program // the LAN's
	supervisors         []*program
}

// namespace is a network namespace, held by a process that sleeps.
type namespace struct{ holder *exec.Cmd }

const (
	hostAddress    = "93.184.216.2"
	gatewayAddress = "93.184.216.1"
	lanAddress     = "192.168.77.2"
)

// beyond are addresses of the far side of the uplink: public ones, and such as a host may have behind it.
var beyond = []string{
	"8.8.8.8", "1.1.1.1", "93.184.217.9", // public
	"169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", // metadata services
	"10.9.9.9", "10.9.9.10", "172.20.1.1", "192.168.99.1", "100.64.1.1", "198.18.0.1", // somebody's own
}

// newLab makes one for a test that runs beside others: what they do most is to wait for packets that do not come.
func newLab(t *testing.T) *lab {
	t.Helper()
	t.Parallel()
	return newLoneLab(t)
}

// newLoneLab makes one for a test that counts packets in a second, or changes the environment.
func newLoneLab(t *testing.T) *lab {
	t.Helper()
	need.Root(t)
	need.Tools(t, "nft", "ip", "nsenter", "iptables")
	l := &lab{host: newNamespace(t), internet: newNamespace(t), lan: newNamespace(t), run: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(l.run, "net"), 0o700); err != nil {
		t.Fatal(err)
	}
	l.host.connect(t, "up0", hostAddress+"/24", l.internet, gatewayAddress+"/24")
	l.host.connect(t, "lan0", "192.168.77.1/24", l.lan, lanAddress+"/24")
	l.host.sh(t, "ip route add default via "+gatewayAddress)
	l.host.sh(t, "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit") // a test sends more that is refused than six datagrams a second
	l.internet.sh(t, "ip route add 10.214.0.0/18 via "+hostAddress)
	l.lan.sh(t, "ip route add default via 192.168.77.1")
	for _, a := range beyond {
		l.internet.sh(t, "ip address add "+a+"/32 dev lo")
	}
	l.wireIPv6(t)
	l.heard = l.internet.start(t, "serve", "internet")
	l.lanHeard = l.lan.start(t, "serve", "lan")
	l.host.start(t, "serve", "host")
	return l
}

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	c := exec.Command("sleep", "infinity")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	n := &namespace{c}
	n.sh(t, "ip link set lo up")
	return n
}

func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/ns/net", n.holder.Process.Pid) }

func (n *namespace) command(argv ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=" + n.path(), "--"}, argv...)...)
}

// sh runs a shell command that has to work.
func (n *namespace) sh(t *testing.T, command string) string {
	t.Helper()
	out, err := n.command("bash", "-ec", command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// connect lays a cable from n, where it gets a name, to eth0 of other.
func (n *namespace) connect(t *testing.T, name, address string, other *namespace, there string) {
	t.Helper()
	n.sh(t, fmt.Sprintf("ip link add %s type veth peer name eth0 netns %d; ip address add %s dev %[1]s; ip link set %[1]s up",
		name, other.holder.Process.Pid, address))
	other.sh(t, "ip address add "+there+" dev eth0; ip link set eth0 up")
}

// program is one of the test binary's tools, running in a namespace.
type program struct {
	*exec.Cmd
	stdin io.WriteCloser
	lines chan string
}

func (n *namespace) start(t *testing.T, tool string, args ...string) *program {
	t.Helper()
	p := n.launch(t, tool, args...)
	if line := p.line(t); line != "ready" {
		t.Fatalf("%s %q: %s", tool, args, line)
	}
	return p
}

func (n *namespace) launch(t *testing.T, tool string, args ...string) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{Cmd: n.command(append([]string{self}, args...)...), lines: make(chan string, 1000)}
	p.Env = append(os.Environ(), "TEST_NETWORK_TOOL="+tool)
	p.Stderr = os.Stderr
	if p.stdin, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() { p.end() })
	return p
}

// line waits for the next line that the program prints.
func (p *program) line(t *testing.T) string {
	t.Helper()
	select {
	case line := <-p.lines:
		return line
	case <-time.After(20 * time.Second):
		t.Fatal("a tool says nothing")
		return ""
	}
}

func (p *program) end() {
	if p.ProcessState == nil {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
}

// stop asks the program to end, and waits until it has.
func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
}

// serve starts forkgate-net on the host.
func (l *lab) serve(t *testing.T) {
	t.Helper()
	l.service = l.host.start(t, "service", l.run, l.range6, fmt.Sprint(l.old))
}

// pod is a namespace with a link, and the supervisor that holds it.
type pod struct {
	*namespace
	supervisor *program
}

// joins starts a pod that has to get its network.
func (l *lab) joins(t *testing.T, guid string, n nsjail.Network) *pod {
	t.Helper()
	p, said := l.tries(t, guid, n)
	if said != "ready" {
		t.Fatalf("pod %s: %s", guid, said)
	}
	return p
}

// tries starts a pod, and returns what its supervisor says.
func (l *lab) tries(t *testing.T, guid string, n nsjail.Network) (*pod, string) {
	t.Helper()
	spec := nsjail.Spec{GUID: guid, Network: n}
	if err := spec.Write(l.run); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	p := &pod{namespace: newNamespace(t)}
	p.supervisor = l.host.launch(t, "join", l.run, guid, string(text), p.path())
	l.supervisors = append(l.supervisors, p.supervisor)
	said := p.supervisor.line(t)
	if said == "ready" {
		p.start(t, "serve", guid)
	}
	return p, said
}

// try has a tool reach for an address, and returns what came of it: "ok" and who answered, or the kind of failure.
func (n *namespace) try(t *testing.T, network, address string) string {
	t.Helper()
	p := n.launch(t, "try", network, address)
	defer p.end()
	return p.line(t)
}

// table is the host's ruleset, without what the kernel has put into it, and without the fence, which goes with its process.
func (l *lab) table(t *testing.T) string {
	t.Helper()
	return fenced.ReplaceAllString(kernels.ReplaceAllString(l.host.sh(t, "nft --stateless list ruleset"), "$1"), "")
}

var fenced = regexp.MustCompile(`(?s)table inet forkgate_fence \{.*?\n\}\n`)

var kernels = regexp.MustCompile(`(?s)(set (?:connections|rates) \{[^}]*?)\s*elements = \{[^}]*\}`)

// noRules kills the service, takes all rules off, and has the host forward and masquerade for everybody: the control in which
// attacks work.
func (l *lab) noRules(t *testing.T) {
	t.Helper()
	for _, s := range l.supervisors {
		_ = s.Process.Signal(syscall.SIGSTOP) // or they set their links down in the end, with nobody to guard the rules
	}
	l.service.end()
	l.host.sh(t, `nft flush ruleset; echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
		nft 'add table ip x; add chain ip x post { type nat hook postrouting priority srcnat; }; add rule ip x post ip saddr 10.0.0.0/8 masquerade'
		for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done`)
}

func grep(text, word string) (found []string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
