package vm_test

import (
	"encoding/json"
	"strings"
	"testing"

	"forkgate/tests/vm"
)

// check is something to be seen on a host with cgroup v2 alone.
type check struct {
	name  string
	check func(*testing.T, *vm.VM)
}

// checks go from what the others rest on to what they end in. The daemon of the fork is started by the first that uses it.
func checks() []check {
	return []check{
		{"an agent enters a fork", entersAFork},
		{"doctor is content", doctorIsContent},
		{"AppArmor confines the gate", confinesTheGate},
		{"the gate is reloaded", reloadsTheGate},
		{"a fork has a Docker daemon", hasDocker},
		{"docker run -m", limitsMemory},
		{"docker run --cpus", limitsCPU},
		{"docker run --pids-limit", limitsPids},
		{"root in a fork raises no limit of it", raisesNothing},
		{"root in a fork sees its own groups alone", seesItsOwnGroups},
		{"the limits of a fork", limitsFork},
		{"a fork that hoards terminals", hoardsTerminals},
		{"a fork that fills the table of neighbours", sharesNeighbours},
		{"network namespaces of a fork", boundsNetworkNamespaces},
		{"doors closes what somebody has opened", closesDoors},
		{"doors, and a reboot", reboots((*vm.VM).Reboot)},
		{"doors, and a power cut", reboots((*vm.VM).Cut)},
		{"the package is upgraded under a session", upgradesThePackage},
		{"the package is removed, put back and purged", removesThePackage},
	}
}

func entersAFork(t *testing.T, v *vm.VM) {
	if text := sshMust(t, v, "id; cat orders.txt"); !strings.HasPrefix(text, "uid=7111(rediacc) gid=7111(rediacc)") || !strings.Contains(text, "\norders\n") {
		t.Errorf("an agent in its fork is\n%s", text)
	}
	if r := v.Run(t, "", "ssh", "demo@agent", "id"); r.Code != 254 {
		t.Errorf("an agent in production: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

func doctorIsContent(t *testing.T, v *vm.VM) {
	r := v.Run(t, "", "forkgate", "doctor", "--json")
	var rows []struct{ Check, Level, Found, Do string }
	if err := json.Unmarshal(r.Stdout, &rows); err != nil || r.Code != 0 {
		t.Errorf("exit code %d, %v\n%s", r.Code, err, r.Stderr)
	}
	green := map[string]string{
		"cgroups": "version 2", "controllers": "forkgate.slice has cpu, memory, pids, io", "simple quotas": "on", "kernel": "6.", "pool": "/dev/vd",
		"enabled": "forkgate.target and the pool's mount", "rootfs": "docker.io ", "idmapped mounts": "made one", "units": "installed",
	}
	for _, row := range rows {
		if row.Level == "red" {
			t.Errorf("%s is red: %s; %s", row.Check, row.Found, row.Do)
		}
		if want, ok := green[row.Check]; ok && (row.Level != "green" || !strings.HasPrefix(row.Found, want)) {
			t.Errorf("%s is %s: %s, want %s; %s", row.Check, row.Level, row.Found, want, row.Do)
		}
		delete(green, row.Check)
	}
	if len(green) > 0 {
		t.Errorf("no rows for %v", green)
	}
	t.Logf("doctor says\n%s", v.Run(t, "", "forkgate", "doctor").Stdout)
}

// The gate runs in its profile, in which even root's forkgate reads no record, and which denies it nothing that it asks for.
func confinesTheGate(t *testing.T, v *vm.VM) {
	if got := v.Must(t, "sh", "-c", "cat /proc/$(systemctl show -P MainPID forkgate-gate)/attr/current"); got != "forkgate-gate (enforce)" {
		t.Errorf("the gate runs as %q", got)
	}
	if denied := v.Run(t, "", "sh", "-c", `journalctl --boot --no-pager | grep 'apparmor="DENIED"'`); len(denied.Stdout) > 0 {
		t.Errorf("the profile denies the gate what it asks for:\n%s", denied.Stdout)
	}
	v.Must(t, "systemd-analyze", "security", "--no-pager", "--threshold=15", "forkgate-gate.service") // in tenths; packaging measures by another systemd
	v.Must(t, "forkgate", "audit", "verify")
	if r := v.Run(t, "", "aa-exec", "--profile", "forkgate-gate", "--", "/usr/bin/forkgate", "audit", "verify"); r.Code == 0 || !strings.Contains(string(r.Stderr), "permission denied") {
		t.Errorf("in the gate's profile the record is read: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// reloads has two gates succeed each other under a session of the first, and the last one killed: systemd has to notice, while an older one is there, that
// a process has ended that it has not started. tests/upgrade has more of it, where systemd is that of this machine.
const reloads = `
	pid() { systemctl show -P MainPID forkgate-gate; }
	until_() { for n in $(seq 600); do if eval "$1"; then return 0; fi; sleep 0.1; done; echo "not within a minute: $1"; exit 1; }
	mkfifo /root/hold; ssh demo+x@agent 'echo in; cat' </root/hold >/root/held & client=$!
	exec 3>/root/hold; until_ 'grep -q in /root/held'
	first=$(pid); systemctl reload forkgate-gate; second=$(pid); systemctl reload forkgate-gate; third=$(pid)
	test $first != $second -a $second != $third; until_ '! kill -0 $second 2>/dev/null'; kill -0 $first
	ssh demo+x@agent true
	echo out >&3; exec 3>&-; wait $client; grep -q out /root/held; until_ '! kill -0 $first 2>/dev/null'
	systemctl is-active forkgate-gate; systemctl show -P NRestarts forkgate-gate
	ssh demo+x@agent 'echo in; sleep 1000' </dev/null >/root/held & until_ 'grep -q in /root/held'
	systemctl reload forkgate-gate; fourth=$(pid); kill -KILL $fourth
	until_ 'test $(pid) != $fourth -a $(pid) != 0 && systemctl -q is-active forkgate-gate'; ssh demo+x@agent true
	systemctl show -P NRestarts forkgate-gate; journalctl -u forkgate-gate -o cat | grep -e "Got notification" -e "not our child" || true`

func reloadsTheGate(t *testing.T, v *vm.VM) {
	if got := v.Must(t, "bash", "-ec", reloads); got != "active\n0\n1\n" && got != "active\n0\n1" {
		t.Errorf("the gate, restarts before and after its end, and what systemd has to say:\n%s", got)
	}
	t.Logf("%s", v.Must(t, "systemctl", "--version"))
}

// image makes an image of a static busybox, without a registry, and hands it to the fork's daemon.
const image = `
	mkdir -p /root/image/bin
	cp /bin/busybox /root/image/bin/
	for applet in sh cat dd sleep seq timeout grep; do ln -sf busybox /root/image/bin/$applet; done
	tar -C /root/image -c . | ssh demo+x@agent docker import - bb`

func hasDocker(t *testing.T, v *vm.VM) {
	v.Must(t, "sh", "-ec", image)
	t.Logf("%s: docker %s", v.Up(), strings.TrimSpace(sshMust(t, v, "docker version --format '{{.Server.Version}}'")))
	if text := sshMust(t, v, "docker info --format '{{.CgroupVersion}} {{.Driver}}'"); text != "2 overlay2\n" {
		t.Errorf("the daemon has cgroups and storage %q", text)
	}
	if text, code := run(t, v, "", "echo in a container"); text != "in a container\n" || code != 0 {
		t.Fatalf("exit code %d: %s", code, text)
	}
}

// effect runs a command in a container with a limit, and once more without: the limit, and nothing else, must make the difference.
func effect(t *testing.T, v *vm.VM, option, command string, limited func(text string, code int) bool) {
	t.Helper()
	if text, code := run(t, v, option, command); !limited(text, code) {
		t.Errorf("with %s: exit code %d\n%s", option, code, text)
	}
	if text, code := run(t, v, "", command); limited(text, code) {
		t.Errorf("without %s it ends the same way, this test proves nothing: exit code %d\n%s", option, code, text)
	}
}

// 128+9: the kernel kills who goes over its memory limit.
func limitsMemory(t *testing.T, v *vm.VM) {
	effect(t, v, "-m 32m", "cat /sys/fs/cgroup/memory.max; exec dd if=/dev/zero of=/dev/null bs=100M count=1",
		func(text string, code int) bool { return code == 137 && strings.HasPrefix(text, "33554432\n") })
}

// A group that would have used more than its share has been throttled. (cgroup-v2.rst, cpu.stat)
func limitsCPU(t *testing.T, v *vm.VM) {
	effect(t, v, "--cpus 0.2", `cat /sys/fs/cgroup/cpu.max; timeout 3 sh -c "while :; do :; done"; grep nr_throttled /sys/fs/cgroup/cpu.stat`,
		func(text string, _ int) bool {
			return strings.HasPrefix(text, "20000 100000\n") && strings.Contains(text, "nr_throttled ") && !strings.Contains(text, "nr_throttled 0\n")
		})
}

func limitsPids(t *testing.T, v *vm.VM) {
	effect(t, v, "--pids-limit 8", "cat /sys/fs/cgroup/pids.max; for i in $(seq 20); do sleep 1 & done; wait",
		func(text string, _ int) bool {
			return strings.HasPrefix(text, "8\n") && strings.Contains(text, "can't fork")
		})
}
