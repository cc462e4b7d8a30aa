package scripts_test

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"forkgate/tests/host"
	"forkgate/tests/machine"
)

// victims are killed while callers work: what pgrep -f finds them by, and whose they are, as /proc/PID/cgroup says.
var victims = []struct{ what, pattern, unit string }{
	{"dockerd", "^dockerd ", "pod"},
	{"the machine's init", "^init machine", "pod"},
	{"the session init", "^init sessions", "pod"},
	{"the supervisor", "forkgate-pod run", "pod"},
	{"forkgate-net", "forkgate net$", "forkgate-net.service"},
	{"forkgate-egress", "forkgate egress$", "forkgate-egress.service"},
	{"the warden", "forkgate warden$", "forkgate-warden.service"},
	{"the gate", "forkgate gate$", "forkgate-gate.service"},
}

// struckParts kills each part of a pod, and the services, under a fork in which a container runs. Afterwards that fork can be entered
// and its container answers again; another fork's container never noticed. When both forks are removed nothing of them is left.
func struckParts(t *testing.T, h *host.Host) {
	// With somewhere to go, so that they have links and rules.
	h.Must(t, "sh", "-ec", `sed -i 's|egress = \[\]|egress = ["192.0.2.1:80/tcp"]|' /etc/forkgate/policy.d/baseline.hcl
		forkgate policy check; systemctl reload forkgate-warden`)
	before := census(t, h)
	image := filepath.Join(t.TempDir(), "image.tar")
	if out, err := exec.Command("bash", "testdata/image.sh", image).CombinedOutput(); err != nil {
		t.Fatalf("cannot make an image: %v\n%s", err, out)
	}
	for _, fork := range []string{"struck", "beside"} {
		struckSSH(t, h, "demo+"+fork+"@any", "docker import - bb; touch index.html", image)
	}
	struckSSH(t, h, "demo+struck@any", "docker run -d --restart always --name site -p 8080:80 -v $PWD:/www bb httpd -f -h /www", "")
	struckSSH(t, h, "demo+beside@any", `docker run -d --name beats -v $PWD:/data bb sh -c 'while date +%s; do sleep 1; done >/data/beats'`, "")
	h.Must(t, "bash", "-ec", "nft list table inet forkgate | grep -q 192.0.2.1; test $(ip -o link | grep -c ': fg') = 2")
	started := `docker inspect -f '{{.State.StartedAt}} {{.State.Running}}' beats`
	since := struckSSH(t, h, "demo+beside@any", started, "")
	goesOn, endLoad := load(t, h)
	for _, v := range victims {
		unit := v.unit
		if unit == "pod" {
			unit = "forkgate-pod@" + guidOf(t, h, "demo+struck") + ".service"
		}
		h.Must(t, "bash", "-ec", `for pid in $(pgrep -f "$0"); do grep -q "/$1\(/\|$\)" /proc/$pid/cgroup && kill -KILL $pid && exit; done; exit 1`, v.pattern, unit)
		comesBack(t, h, v.what)
		if v.what != "the gate" && !goesOn() {
			t.Errorf("%s was killed, and a session in another fork has ended", v.what)
		}
	}
	if now := struckSSH(t, h, "demo+beside@any", started, ""); now != since || !strings.HasSuffix(strings.TrimSpace(now), "true") {
		t.Errorf("another fork's container ran since %s, and now since %s", since, now)
	}
	steady(t, struckSSH(t, h, "demo+beside@any", "cat beats; date +%s", ""))
	endLoad() // who asks for a fork that is gone gets a new one
	for _, fork := range []string{"struck", "beside"} {
		struckSSH(t, h, "gate@any", "rm demo+"+fork, "")
	}
	h.Must(t, "timeout", "120", "btrfs", "subvolume", "sync", "/var/lib/forkgate/pool") // a leaked init would pin one
	settledCensus(t, h, before)
}

// load has callers work: one session in the fork beside, which has to go on, and in the struck one as many as come, each after the other,
// which ask the container and the daemon. It returns how to ask whether the one goes on, and how to end all.
func load(t *testing.T, h *host.Host) (goesOn func() bool, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	var workers sync.WaitGroup
	end = func() { cancel(); workers.Wait() }
	t.Cleanup(end)
	as := func(where, command string) *exec.Cmd {
		return h.SSH(ctx, "-o", "IdentityFile="+filepath.Join(h.Dir, "struck-agent"), where, command)
	}
	workers.Go(func() {
		defer close(ended)
		_ = as("demo+beside@any", "while sleep 0.1; do head -c 100000 /dev/zero >work; done").Run()
	})
	workers.Go(func() {
		for ctx.Err() == nil {
			_ = as("demo+struck@any", "for n in $(seq 50); do curl -s 127.0.0.1:8080/index.html; docker ps -q; done").Run()
		}
	})
	goesOn = func() bool {
		select {
		case <-ended:
			return false
		default:
			return true
		}
	}
	return goesOn, end
}

// comesBack waits until the container answers. A session that came into a dying pod has been told that it was ended.
func comesBack(t *testing.T, h *host.Host, killed string) {
	t.Helper()
	var r machine.Result
	for range 10 {
		r = tryStruck(t, h, "demo+struck@any", "until curl -sf 127.0.0.1:8080/index.html; do docker ps -q >/dev/null; sleep 0.2; done", "")
		if r.Code == 0 {
			t.Logf("%s was killed, and all is back", killed)
			return
		}
		if r.Code != 255 || !strings.Contains(r.Stderr, "the session was ended from outside") && !strings.Contains(r.Stderr, "closed") {
			break
		}
	}
	t.Fatalf("%s was killed, and the fork does not come back: exit code %d\n%s%s", killed, r.Code, r.Stdout, r.Stderr)
}

// steady checks that a container's clock, written each second, never stood still.
func steady(t *testing.T, beats string) {
	t.Helper()
	const patience = 30 // seconds, on a machine with other work
	last := 0
	for lines := bufio.NewScanner(strings.NewReader(beats)); lines.Scan(); {
		var now int
		if _, err := fmt.Sscan(lines.Text(), &now); err != nil {
			t.Fatalf("beats: %v", err)
		}
		if last != 0 && now-last > patience {
			t.Errorf("another fork's container stood still for %d s", now-last)
		}
		last = now
	}
	if last == 0 {
		t.Error("another fork's container did nothing at all")
	}
}

// struckSSH runs a command that has to succeed, with the file as its input where there is one.
func struckSSH(t *testing.T, h *host.Host, where, command, input string) string {
	t.Helper()
	r := tryStruck(t, h, where, command, input)
	if r.Code != 0 {
		t.Fatalf("%s %q: exit code %d\n%s%s", where, command, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

func tryStruck(t *testing.T, h *host.Host, where, command, input string) machine.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	script := `"$@"`
	if input != "" {
		script += " <" + input
	}
	ssh := h.SSH(ctx, "-o", "IdentityFile="+filepath.Join(h.Dir, "struck-agent"), where, command)
	ssh.Args = append([]string{"bash", "-c", script, "-"}, ssh.Args...)
	ssh.Path = "/bin/bash"
	return machine.RunCommand(t, ssh)
}

func guidOf(t *testing.T, h *host.Host, ref string) string {
	t.Helper()
	return h.Must(t, "sh", "-c", `forkgate show "$0" --json | sed -n 's/.*"guid": "\([^"]*\)".*/\1/p'`, ref)
}

// census lists what a pod leaves on a host that is not careful: mounts, loop devices, links, groups, rules, processes, directories. Loop
// devices are the whole machine's: this host's are those of files in its own mounts. It waits until the spare pods are there, whose GUIDs are others each time.
func census(t *testing.T, h *host.Host) []string {
	t.Helper()
	return strings.Split(h.Must(t, "bash", "-ec", `
		spares() { cd /run/forkgate/pods && ls -d */spare.sock | cut -d/ -f1; }
		for n in $(seq 100); do test $(spares | wc -l) = 4 && break; sleep 0.2; done
		{ cut -d' ' -f5 /proc/self/mountinfo | sed 's/^/mount /'
		losetup -nO NAME,BACK-MAJ:MIN | grep -wFf <(findmnt -no MAJ:MIN | tr -d ' ') | sed 's/^/loop /'
		ip -o link | grep -o ': [^:@]*[:@]' | sed 's/^/link /'
		find /sys/fs/cgroup -path '*forkgate-pod*' | sed 's/^/group /'
		nft list table inet forkgate | nl | sed 's/^/rule /'
		ls -A /run/forkgate/pods /var/lib/forkgate/pool/{forks,spare} | sed 's/^/directory /'
		ps -eo args= | grep -E 'forkgate-pod|^init (machine|sessions|run)|dockerd|containerd|docker-proxy' | grep -v grep | sed 's/^/process /'
		systemctl list-units --all --plain --no-legend 'forkgate-pod@*' | sed 's/^/unit /'; } |
		sed "$(spares | sed 's|.*|s/&/SPARE/g|')" | sort`), "\n")
}

// settledCensus waits a moment for what is still ending.
func settledCensus(t *testing.T, h *host.Host, before []string) {
	t.Helper()
	var after []string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Second / 4) {
		if after = census(t, h); slices.Equal(before, after) {
			return
		}
	}
	t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
}
