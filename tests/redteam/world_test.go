package redteam

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The network around the host. What lies behind its uplink answers "world" on port 80, also at addresses that no fork may reach.
const (
	uplinkAddress = "93.184.216.2"
	routerAddress = "93.184.216.1" // a neighbour of the host, and so private
	worldAddress  = "93.184.217.9"
	world6        = "2606:4700::9"
	pods6         = "fd7a:6c1b:9d30::" // with /64, what pods have of IPv6
	makeWorld     = `ip netns add world; ip link add up0 type veth peer name far0 netns world
ip address add ` + uplinkAddress + `/24 dev up0; ip link set up0 up; ip route add default via ` + routerAddress + `
ip netns exec world sh -ec 'w=` + worldAddress + `; ip link set lo up; ip address add $w/32 dev lo; ip address add ` + routerAddress + `/24 dev far0; ip link set far0 up; ip route replace 93.184.216.0/24 dev far0 src $w; ip route add 10.214.0.0/18 via ` + uplinkAddress + `
for a in 169.254.169.254 168.63.129.16 100.100.100.200 192.168.77.1 10.9.9.9 172.20.1.1; do ip address add $a/32 dev lo; done
ip address add 2001:4860::1/64 dev far0 nodad
for a in ` + world6 + ` fd00:ec2::254 fd20:ce::254 64:ff9b::a9fe:a9fe fd77::1 2001:db8::1; do ip address add $a/128 dev lo nodad; done'
ip address add 2001:4860::2/64 dev up0 nodad; ip route add default via 2001:4860::1
mkdir /etc/systemd/system/forkgate-net.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/bin/forkgate net --range6 ` + pods6 + `/64\n' >/etc/systemd/system/forkgate-net.service.d/ipv6.conf
systemctl daemon-reload; systemctl restart forkgate-net`
)

// policy gives forks all that is public, and those of one agent little of anything.
const policy = `sed -i 's/egress = \[\]/egress = ["*"]/' /etc/forkgate/policy.d/baseline.hcl
cat >/etc/forkgate/policy.d/redteam.hcl <<'END'
permit "the-hog-gets-little" {
  when = op == "fork" && caller.principal == "` + hog + `"
  limits {
    quota  = "96MiB"
    memory = "384MiB"
    pids   = 300
    cpu    = 1
    egress = []
  }
}
repository "demo" {
  publish = ["8443:8443/tcp"]
}
` + approvals + `END
forkgate policy check
systemctl reload forkgate-warden
for i in $(seq 100); do ! forkgate show demo 2>/dev/null | grep -q 8443:8443/tcp || exit 0; sleep 0.1; done; exit 1`

// people has somebody at home wherever an attack could arrive.
func (s *stage) people(t *testing.T) {
	t.Helper()
	s.serve(t, s.command(t.Context(), t, "", step{at: host, script: "exec probe serve 7777 host"}))
	s.serve(t, s.Command(t.Context(), "sh", "-c", "ip netns exec world probe serve 80 world | tee /root/world"))
	s.serve(t, s.command(t.Context(), t, "", step{at: neighbour, script: "exec bin/probe serve 9000 calm"}))
	s.serve(t, s.command(t.Context(), t, "", step{at: production, script: "exec bin/probe serve 8443 production"}))
}

// serve starts a server, which lives as long as the test.
func (s *stage) serve(t *testing.T, c *exec.Cmd) {
	t.Helper()
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	late := time.AfterFunc(patience, func() { _ = c.Process.Kill() })
	defer late.Stop()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q: %q, %v", c.Args, line, err)
	}
}

// furnish makes the repository: the probe lies in its data, and its Docker has an image with the probe and busybox.
func (s *stage) furnish(t *testing.T) {
	t.Helper()
	probe := filepath.Join(s.Dir, "probe")
	sources, err := filepath.Glob("testdata/probe/*.c")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources of the probe: %v", err)
	}
	output(t, exec.Command("gcc", append([]string{"-static", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-o", probe}, sources...)...))
	output(t, exec.Command("sh", "-ec", `cd $0; mkdir -p image/bin image/tmp; cp /bin/busybox probe image/bin/
		for applet in $(busybox --list); do [ $applet = busybox ] || ln -s busybox image/bin/$applet; done
		tar -C image -cf image.tar .`, s.Dir))
	s.Must(t, "sh", "-ec", makeWorld)
	s.Must(t, "sh", "-ec", "mkdir -p /root/data/bin; echo 'an order' >/root/data/orders; cp "+probe+" /root/data/bin/; cp "+probe+" /usr/local/bin/")
	s.Repo(t, "demo", "/root/data")
	s.Must(t, "sh", "-ec", policy)
	image, err := os.Open(filepath.Join(s.Dir, "image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	c := s.SSH(t.Context(), "demo@"+person, "docker import - rt")
	c.Stdin = image
	output(t, c)
}
