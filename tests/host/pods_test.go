package host_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"forkgate/tests/host"
	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// Callers, and containers of theirs, reach what policy opens and nothing else; what a repository publishes is reached from outside.
func TestNetworkOfPods(t *testing.T) {
	t.Parallel()
	h, uplink, world := town(t)
	h.Must(t, "sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN")
	reaches(t, h, "at first")
	for _, address := range []string{"1.1.1.1:80", "169.254.169.254:80", "93.184.216.1:80", uplink + ":2222"} {
		// The gate's port answers what is no HTTP to it: connecting is enough.
		if r := h.Run(t.Context(), t, "bash", "-c", "exec 3<>/dev/tcp/"+strings.Replace(address, ":", "/", 1)); r.Code != 0 {
			t.Errorf("control: the host itself does not reach %s: %s", address, r.Stderr)
		}
		for who, command := range map[string]string{
			"a session":   "curl -s --max-time 10 http://" + address,
			"a container": "docker run --rm bb wget -q -T 10 -O - http://" + address, "the pod's own links": "docker run --rm --privileged --net=host bb wget -q -T 10 -O - http://" + address,
		} {
			if r := machine.RunCommand(t, h.SSH(t.Context(), "demo+x@bot", command)); r.Code == 0 || r.Stdout != "" {
				t.Errorf("%s reaches %s: %s", who, address, r.Stdout)
			}
		}
	}
	h.Must(t, "systemctl", "kill", "-s", "KILL", "forkgate-net.service")
	reaches(t, h, "after forkgate-net was killed")

	// A repository with a port and no egress answers there, asks nobody, and gets to nothing.
	if r := machine.RunCommand(t, h.SSH(t.Context(), "demo@alice", "getent hosts test.example; "+open)); r.Code == 0 || r.Stdout != "" {
		t.Errorf("a repository without egress: %d %s", r.Code, r.Stdout)
	}
	answers := shop(t, h, uplink, world)
	holds(t, h, "the published port answers", answers)
	// As at a boot, which starts what multi-user.target wants: nobody has logged in, and the site is there.
	h.Must(t, "sh", "-ec", `systemctl stop --job-mode=replace-irreversibly forkgate.target 'forkgate-*.service' 'forkgate-*.socket' var-lib-forkgate-pool.mount
		rm -rf /run/forkgate; systemd-tmpfiles --create forkgate.conf; echo 0 >/proc/sys/net/ipv4/conf/up0/forwarding
		if pgrep -x dockerd; then exit 1; fi; systemctl enable forkgate.target; systemctl start multi-user.target`)
	holds(t, h, "the published port answers after a reboot", answers)

	h.Must(t, "forkgate", "rm", "demo:x")
	holds(t, h, "a removed fork's rules are gone", func(rules string) bool { return !strings.Contains(rules, "8.8.8.8 . tcp . 80") })
	uninstalled(t, h)
}

// town is a host with a world behind it, where forks may ask for one page, and demo publishes its own.
func town(t *testing.T) (h *host.Host, uplink string, world *os.Process) {
	t.Helper()
	need.Tools(t, "ip", "nft", "busybox", "python3")
	h = host.Start(t, host.Options{People: []string{"alice"}, Agents: []string{"bot"}})
	uplink, world = internet(t, h)
	h.Must(t, "sed", "-i", `s|egress = \[\]|egress = ["8.8.8.8:80/tcp"]|`, "/etc/forkgate/policy.d/baseline.hcl")
	h.Must(t, "sh", "-c", `cat >/etc/forkgate/policy.d/network.hcl <<'END'
repository "demo" {
  publish   = ["443:8443/tcp"]
  autostart = true
}
pods {
  resolvers = ["1.1.1.1"]
}
END
forkgate policy check && systemctl reload forkgate-warden`)
	h.Repo(t, "demo", "/etc/systemd")
	imports(t, h, "demo+x@bot")
	imports(t, h, "demo@alice")
	return h, uplink, world
}

// open is what forks may ask for.
const open = "curl -s --max-time 10 http://test.example/"

// reaches checks that sessions and containers in a fork get what they may. (With -T a static busybox dies of its resolver.)
func reaches(t *testing.T, h *host.Host, when string) {
	t.Helper()
	gets(t, h, "a session, "+when, open)
	gets(t, h, "a container, "+when, "docker run --rm bb wget -q -O - http://test.example/")
}

// gets checks that a command in a fork gets the page.
func gets(t *testing.T, h *host.Host, who, command string) {
	t.Helper()
	if r := machine.RunCommand(t, h.SSH(t.Context(), "demo+x@bot", command)); r.Stdout != "internet\n" {
		t.Errorf("%s: %d %s%s", who, r.Code, r.Stdout, r.Stderr)
	}
}

// shop has the repository's container serve a page, and returns how the world asks for it.
func shop(t *testing.T, h *host.Host, uplink string, world *os.Process) (answers func(string) bool) {
	t.Helper()
	if r := machine.RunCommand(t, h.SSH(t.Context(), "demo@alice", "docker run -d --restart always -p 8443:80 bb sh -c 'echo shop >/index.html; exec httpd -f -h /'")); r.Code != 0 {
		t.Fatalf("docker run: %s", r.Stderr)
	}
	return func(string) bool {
		return fromOutside(t, world, "curl", "-s", "--max-time", "5", "http://"+uplink+":443/").Stdout == "shop\n"
	}
}

// fromOutside runs something in the world.
func fromOutside(t *testing.T, world *os.Process, argv ...string) machine.Result {
	t.Helper()
	return machine.RunCommand(t, exec.CommandContext(t.Context(), "nsenter", append([]string{"--net=/proc/" + strconv.Itoa(world.Pid) + "/ns/net", "--"}, argv...)...))
}

// uninstalled takes forkgate off a host on which pods run, a published container among them: nothing of them is left, and the host is no
// router any more.
func uninstalled(t *testing.T, h *host.Host) {
	t.Helper()
	const left = `echo links: $(ip -o link | grep -c ': fg') rules: $(nft list ruleset | grep -cE 'fg|forkgate') processes: $(pgrep -fc '[f]orkgate-pod|[f]orkgate (warden|gate|net)|^dockerd')
		echo forwarding: $(cat /proc/sys/net/ipv4/conf/up0/forwarding)`
	if before := h.Must(t, "bash", "-c", left); strings.Contains(before, " 0") || !strings.HasSuffix(before, "forwarding: 1") {
		t.Errorf("before there is %s, this test proves nothing", before)
	}
	h.Must(t, "sh", "-c", "make --silent -C "+h.Built+" uninstall")
	if after := h.Must(t, "bash", "-c", left); after != "links: 0 rules: 0 processes: 0\nforwarding: 0" {
		t.Errorf("after uninstall there is %s", after)
	}
}

// imports gives a tree's Docker daemon an image, bb, of a busybox.
func imports(t *testing.T, h *host.Host, where string) {
	t.Helper()
	image := exec.Command("sh", "-ec", `mkdir -p "$0/bin"; cp "$(command -v busybox)" "$0/bin/"
		for a in sh wget httpd; do ln -s busybox "$0/bin/$a"; done; tar -C "$0" -c .`, t.TempDir())
	load := h.SSH(t.Context(), where, "docker import - bb")
	var err error
	if load.Stdin, err = image.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	start(t, image)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("docker import: %v\n%s", err, out)
	}
	if err := image.Wait(); err != nil {
		t.Fatal(err)
	}
}

// internet puts a world behind the host, and returns the host's address in it, and the process that holds it.
func internet(t *testing.T, h *host.Host) (string, *os.Process) {
	t.Helper()
	script, err := filepath.Abs("internet.py")
	if err != nil {
		t.Fatal(err)
	}
	world := exec.Command("sh", "-c", `read go; ip link set lo up; ip link set eth0 up; ip address add 93.184.216.1/24 dev eth0
		for a in 8.8.8.8 1.1.1.1 169.254.169.254; do ip address add $a/32 dev lo; done; exec python3 "$0"`, script)
	world.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, err := world.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := world.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, world)
	t.Cleanup(func() {
		_ = world.Process.Kill()
		_ = world.Wait()
	})
	const address = "93.184.216.2"
	cable := h.NetCommand(t.Context(), "sh", "-ec", "ip link add up0 type veth peer name eth0 netns "+strconv.Itoa(world.Process.Pid)+
		"; ip address add "+address+"/24 dev up0; ip link set up0 up; ip route add default via 93.184.216.1")
	if got, err := cable.CombinedOutput(); err != nil {
		t.Fatalf("the cable: %v\n%s", err, got)
	}
	if _, err := in.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the world: %q, %v", line, err)
	}
	return address, world.Process
}
