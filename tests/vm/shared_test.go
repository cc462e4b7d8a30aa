package vm_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"forkgate/tests/vm"
)

// lan is a network of the host's, with neighbours that it has not met.
const lan = `
	ip netns add lan; ip link add lan0 type veth peer name eth0 netns lan; ip address add 203.0.113.1/24 dev lan0; ip link set lan0 up
	ip -n lan link set eth0 up; for i in $(seq 10 40); do ip -n lan address add 203.0.113.$i/24 dev eth0; done`

// strangers sends a datagram to each of so many addresses of a network of the fork's own, again and again, as fast as it can.
const strangers = `import socket, time
end = time.time() + 30
while time.time() < end:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setblocking(False)
    for i in range(65000):
        if i % 150 == 0: # of those that wait for an answer a socket has so many
            s.close()
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setblocking(False)
        try:
            s.sendto(b"x", ("10.128.%d.%d" % (1 + i // 250, 1 + i % 250), 9))
        except OSError:
            pass
        if time.time() > end:
            break`

// A fork that makes more acquaintances than the kernel has room for as it comes leaves the host some.
func sharesNeighbours(t *testing.T, v *vm.VM) {
	v.Must(t, "sh", "-ec", lan)
	v.Must(t, "sh", "-ec", "cat >/root/strangers.py <<'PY'\n"+strangers+"\nPY")
	sshMust(t, v, "docker network create --subnet 10.128.0.0/16 strangers && docker run -d --name there --network strangers bb sleep 1000")
	// reached is how many new neighbours the host reaches while the fork does that, and how many entries there are.
	reached := func(first int) (many, entries int) {
		v.Must(t, "sh", "-c", "ssh demo+x@agent python3 - </root/strangers.py >/dev/null 2>&1 & echo $! >/root/strangers; sleep 8")
		text := v.Must(t, "sh", "-c", `for i in $(seq $0 $1); do busybox ping -c 1 -W 2 203.0.113.$i >/dev/null 2>&1 && echo reached; done
			awk 'NR == 2 {print "entries", $1}' /proc/net/stat/arp_cache; while kill -0 $(cat /root/strangers) 2>/dev/null; do sleep 1; done`,
			strconv.Itoa(first), strconv.Itoa(first+4))
		_, hex, _ := strings.Cut(text, "entries ")
		n, err := strconv.ParseInt(strings.TrimSpace(hex), 16, 64)
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		return strings.Count(text, "reached"), int(n)
	}
	v.Must(t, "sysctl", "-qw", "net.ipv4.neigh.default.gc_thresh1=128", "net.ipv4.neigh.default.gc_thresh2=512", "net.ipv4.neigh.default.gc_thresh3=1024")
	if many, entries := reached(10); many == 5 {
		t.Errorf("with the kernel's own thresholds the host reaches %d of 5, with %d entries: this test proves nothing", many, entries)
	}
	v.Must(t, "sysctl", "--system")
	many, entries := reached(20)
	if many != 5 || entries <= 1024 {
		t.Errorf("the host reaches %d of 5 new neighbours, with %d entries", many, entries)
	}
	t.Logf("%d entries", entries)
	sshMust(t, v, "docker rm -f there && docker network rm strangers")
}

// The network namespaces of a pod are its own number of them, and end; others, the host's root among them, go on making theirs.
func boundsNetworkNamespaces(t *testing.T, v *vm.VM) {
	if got := strings.TrimSpace(v.Must(t, "cat", "/proc/sys/user/max_net_namespaces")); got != "1024" {
		t.Errorf("a user may have %s network namespaces", got)
	}
	const many = `docker run --rm --privileged bb sh -c 'for i in $(seq 60); do busybox unshare -n sh -c "echo made; exec sleep 60" 2>/dev/null & done; sleep 30'`
	hoard := func(most int) (made int) {
		v.Must(t, "sysctl", "-qw", fmt.Sprintf("user.max_net_namespaces=%d", most))
		text := v.Must(t, "sh", "-ec", `ssh demo+x@agent "$0" >/root/made & for i in $(seq 60); do ! grep -q made /root/made || break; sleep 1; done; sleep 10
			unshare -n true; ssh demo+beside@agent true; wait; grep -c made /root/made || true`, many)
		made, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	if made := hoard(40); made == 0 || made >= 40 {
		t.Errorf("a fork that may have 40 network namespaces made %d", made)
	}
	if made := hoard(1024); made != 60 {
		t.Errorf("control: a fork that may have 1024 made %d of 60", made)
	}
}
