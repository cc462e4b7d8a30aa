package host_test

import (
	"context"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"forkgate/tests/host"
)

// The service of pods' networks does its work in its unit's sandbox, comes back when it is killed, and leaves nothing when
// forkgate is uninstalled.
func TestNetOnAHost(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Options{Bare: true})
	h.Must(t, "sh", "-c", "ip link add up0 type veth peer name far0 && ip link set far0 up && ip address add 93.184.216.2/24 dev up0 && ip link set up0 up && "+
		"ip route add default via 93.184.216.1 && ip address add 2001:4860::2/64 dev up0 nodad && ip route add default via 2001:4860::1 && echo 0 >/proc/sys/net/ipv4/ip_forward && "+
		"iptables -N DOCKER-USER && iptables -A DOCKER-USER -j RETURN")
	staysDown(t, h)
	h.Must(t, "sh", "-c", "printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/forkgate net --range6 fd7a:6c1b:9d30::/64\\n' "+
		">/etc/systemd/system/forkgate-net.service.d/override.conf && systemctl daemon-reload")
	before := h.Must(t, "nft", "list", "ruleset")
	forwarding6 := func() string {
		return h.Must(t, "sh", "-c", "cd /proc/sys/net/ipv6/conf; cat all/forwarding; cat up0/force_forwarding || :")
	}
	without := forwarding6()
	h.Must(t, "systemctl", "start", "forkgate-net.socket", "forkgate-net.service")

	claim := claims(t, h)
	holds(t, h, "the pod has its rules", func(rules string) bool {
		return strings.Contains(rules, `"fg1" . 10.214.0.6`) && strings.Contains(rules, `"fg1" . fd7a:6c1b:9d30::3`) && strings.Contains(rules, `"up0"`) && strings.Contains(rules, `iifname "fg*" accept comment "forkgate"`)
	})
	if got := h.Must(t, "cat", "/proc/sys/net/ipv4/conf/up0/forwarding"); got != "1" {
		t.Errorf("forwarding on the uplink is %s", got)
	}
	if got := forwarding6(); got == without {
		t.Errorf("nothing forwards IPv6: %s", got)
	}
	h.Must(t, "nft", "flush", "ruleset")
	holds(t, h, "flushed rules are back", func(rules string) bool { return strings.Contains(rules, `"fg1" . 10.214.0.6`) })
	h.Must(t, "systemctl", "kill", "-s", "KILL", "forkgate-net.service")
	holds(t, h, "the service is back", func(string) bool {
		return h.Run(t.Context(), t, "systemctl", "is-active", "--quiet", "forkgate-net.service").Code == 0
	})
	h.Must(t, "nft", "flush", "ruleset")
	holds(t, h, "flushed rules are back after that", func(rules string) bool { return strings.Contains(rules, "table inet forkgate") })
	claim()
	holds(t, h, "the pod's rules are gone", func(rules string) bool { return !strings.Contains(rules, "10.214.0.6") })
	if got := h.Must(t, "stat", "-c", "%A %U", "/run/forkgate/net", "/run/forkgate/net/net.sock"); got != "drwx------ root\nsrw------- root" {
		t.Errorf("its directory and socket are %s", got)
	}

	h.Must(t, "sh", "-c", "iptables -N DOCKER-USER && iptables -A DOCKER-USER -j RETURN")
	h.Must(t, "sh", "-c", "make --silent -C "+h.Built+" uninstall")
	if got := h.Must(t, "nft", "list", "ruleset"); got != before {
		t.Errorf("the rules were\n%s\nand after uninstall are\n%s", before, got)
	}
	if got := h.Must(t, "cat", "/proc/sys/net/ipv4/conf/up0/forwarding"); got != "0" {
		t.Errorf("after uninstall, forwarding on the uplink is %s", got)
	}
	if got := forwarding6(); got != without {
		t.Errorf("after uninstall, forwarding of IPv6 is %s, and was %s", got, without)
	}
}

// staysDown gives the service a range that is none. It says so once, and is not started again; the control is one that fails otherwise.
func staysDown(t *testing.T, h *host.Host) {
	t.Helper()
	with := func(command string) {
		h.Must(t, "sh", "-c", "mkdir -p /etc/systemd/system/forkgate-net.service.d && printf '[Service]\\nExecStart=\\nExecStart="+command+"\\n' "+
			">/etc/systemd/system/forkgate-net.service.d/override.conf && systemctl daemon-reload")
	}
	restarts := func() string {
		return h.Must(t, "systemctl", "show", "--property=ActiveState,ExecMainStatus,NRestarts", "forkgate-net.service")
	}
	with("/usr/bin/forkgate net --range6 fd00::/130")
	if h.Run(t.Context(), t, "systemctl", "start", "forkgate-net.service").Code == 0 {
		t.Error("it starts with a range that is none")
	}
	if got := restarts(); !strings.Contains(got, "NRestarts=0\n") || !strings.Contains(got, "ExecMainStatus=254\n") || !strings.Contains(got, "ActiveState=failed") {
		t.Errorf("with a range that is none: %s", got)
	}
	with("/bin/false")
	h.Run(t.Context(), t, "systemctl", "start", "--no-block", "forkgate-net.service")
	holds(t, h, "another failure is tried again", func(string) bool { return !strings.Contains(restarts(), "NRestarts=0\n") })
	h.Must(t, "systemctl", "stop", "forkgate-net.service")
}

// claims asks for the rules of a pod as its supervisor does, and holds them until it is called off.
func claims(t *testing.T, h *host.Host) (off func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := h.Command(ctx, "socat", "-,ignoreeof", "UNIX-CONNECT:/run/forkgate/net/net.sock,type=5")
	c.Stdin = strings.NewReader(`{"type":"up","body":{"guid":"0123456789abcdef","network":{"slot":1,"egress":["*"]}}}`)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, c)
	answer := make([]byte, 1000)
	n, err := io.ReadAtLeast(out, answer, 10)
	if err != nil || !strings.Contains(string(answer[:n]), `"type":"ok"`) {
		t.Fatalf("the claim: %s, %v", answer[:n], err)
	}
	return func() {
		cancel()
		_ = c.Wait()
	}
}

func start(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
}

// holds waits for what happens a moment after something else.
func holds(t *testing.T, h *host.Host, what string, is func(rules string) bool) {
	t.Helper()
	var rules string
	for range 200 {
		if rules = h.Must(t, "nft", "list", "ruleset"); is(rules) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("it does not come about that %s:\n%s", what, rules)
}
