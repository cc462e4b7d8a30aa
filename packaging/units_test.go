package packaging_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// The units run as they are shipped. In the place of forkgate and forkgate-pod is this test binary, which does what the real
// processes do, and then what an attacker in its place would try; probes_test.go.
func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "forkgate") {
		os.Exit(probe(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func TestUnits(t *testing.T) {
	if !machine.Within(t) {
		return
	}
	need.Tools(t, "mkfs.btrfs")
	installUnits(t)
	makePool(t)
	victim := listenOnLoopback(t)
	sh(t, "systemctl start forkgate.target")

	t.Run("users", func(t *testing.T) {
		if got := sh(t, "id -u rediacc"); got != "7111\n" {
			t.Errorf("rediacc has uid %s", got)
		}
	})
	t.Run("directories", directories)
	t.Run("the gate hears its port, and the warden who speaks", func(t *testing.T) {
		want := "warden says uid " + sh(t, "id -u forkgate")
		if got := ask(t, "tcp", "127.0.0.1:2222"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("what the warden does", func(t *testing.T) { workOfWarden(t) })
	t.Run("what the gate cannot do", func(t *testing.T) { compare(t, "forkgate-gate.service", "forkgate", "forkgate", victim, gateAttacks) })
	t.Run("what the warden cannot do", func(t *testing.T) { compare(t, "forkgate-warden.service", "root", "root", victim, wardenAttacks) })
	t.Run("what the network's service does", func(t *testing.T) { workOfNet(t) })
	t.Run("what the network's service cannot do", func(t *testing.T) { compare(t, "forkgate-net.service", "root", "net", victim, netAttacks) })
	t.Run("what the service of names does", func(t *testing.T) {
		if report := journal(t, "forkgate-egress.service", "work: "); report["connect"] != "ok" {
			t.Errorf("got %v", report)
		}
	})
	t.Run("what the service of names cannot do", func(t *testing.T) {
		compare(t, "forkgate-egress.service", "forkgate-egress", "egress", victim, egressAttacks)
	})
	t.Run("a dead pod is cleaned up after", deadPod)
	t.Run("units are well-formed", func(t *testing.T) {
		// A systemd before 254 does without DelegateSubgroup, and says so.
		complaints := sh(t, "systemd-analyze verify --man=no /usr/lib/systemd/system/forkgate* 2>&1 | grep -v DelegateSubgroup || true")
		if complaints != "" {
			t.Error(complaints)
		}
	})
}

func installUnits(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sh(t, "install "+self+" /usr/bin/forkgate && install -D "+self+" /usr/lib/forkgate/forkgate-pod && "+
		"cp units/* /usr/lib/systemd/system/ && systemd-sysusers $PWD/sysusers.conf && "+
		"systemd-tmpfiles --create $PWD/tmpfiles.conf && systemctl daemon-reload")
}

func directories(t *testing.T) {
	for path, want := range map[string]string{
		"/run/forkgate": "drwxr-xr-x root", "/run/forkgate/operator": "drwx------ root", "/run/forkgate/pods": "drwx------ root",
		"/run/forkgate/net": "drwx------ root", "/run/forkgate/net/net.sock": "srw------- root",
		"/run/forkgate/egress": "drwx------ root", "/run/forkgate/egress/egress.sock": "srw------- root",
		"/var/lib/forkgate": "drwx------ root", "/etc/forkgate/policy.d": "drwxr-xr-x root",
		"/run/forkgate/warden.sock": "srw-rw-rw- root", "/run/forkgate/operator/warden.sock": "srw------- root",
	} {
		if got := strings.TrimSpace(sh(t, "stat -c '%A %U' "+path)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

// makePool mounts the pool after the warden's unit was loaded, by a mount unit, as on a host.
func makePool(t *testing.T) {
	unit := "[Mount]\nWhat=/var/lib/forkgate/pool.btrfs\nWhere=/var/lib/forkgate/pool\nType=btrfs\nOptions=loop,subvolid=5,nosuid,nodev,noexec\n"
	if err := os.WriteFile("/etc/systemd/system/var-lib-forkgate-pool.mount", []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	sh(t, "truncate -s 2G /var/lib/forkgate/pool.btrfs && mkfs.btrfs -q /var/lib/forkgate/pool.btrfs && systemctl daemon-reload")
}

func workOfWarden(t *testing.T) {
	report := journal(t, "forkgate-warden.service", "work: ")
	want := []string{"operator socket", "make a store", "import a rootfs", "make a repository", "make a fork", "start a pod", "end a pod",
		"remove a fork", "mount something"}
	for _, step := range want {
		if got, ok := report[step]; !ok || got != "ok" {
			t.Errorf("%s: %q", step, got)
		}
	}
	if mounts := sh(t, "cat /proc/mounts"); strings.Contains(mounts, "warden-only") {
		t.Errorf("a mount of the warden's is the host's as well:\n%s", mounts)
	}
}

func workOfNet(t *testing.T) {
	report := journal(t, "forkgate-net.service", "work: ")
	for _, step := range []string{"change rules", "switch forwarding", "remember", "see pods"} {
		if got, ok := report[step]; !ok || got != "ok" {
			t.Errorf("%s: %q", step, got)
		}
	}
}

// compare runs the same attacks in the unit's sandbox, where each has to fail, and without it, where each has to succeed.
func compare(t *testing.T, unit, user, list, victim string, attacks []attack) {
	control := map[string]string{}
	c := exec.Command("systemd-run", "--quiet", "--pipe", "--wait", "--uid="+user, "/usr/bin/forkgate", "attack", list)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("the control: %v\n%s", err, out)
	}
	collect(control, string(out), "attack: ")
	sandboxed := journal(t, unit, "attack: ")
	for _, a := range attacks {
		if got := control[a.name]; got != "ok" {
			t.Errorf("without a sandbox, %s: %q: this proves nothing", a.name, got)
		}
		if got, tried := sandboxed[a.name]; got == "ok" || !tried {
			t.Errorf("in the sandbox, %s: %q", a.name, got)
		}
	}
	if got := ask(t, "tcp", victim); got != "victim\n" {
		t.Errorf("the service to be attacked is not there: %q", got)
	}
}

// A pod whose supervisor is killed is cleaned up after by ExecStopPost, which gets the pod's name as it was given.
func deadPod(t *testing.T) {
	const guid = "0b1f2c3d-aaaa-4bbb-8ccc-0123456789ab"
	sh(t, "systemctl start forkgate-pod@"+guid+" && systemctl kill -s KILL forkgate-pod@"+guid)
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if data, err := os.ReadFile("/run/forkgate/pods/cleaned"); err == nil && string(data) == "clean "+guid {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("clean has not run: %s", sh(t, "journalctl -n 20 -u forkgate-pod@"+guid))
}

func listenOnLoopback(t *testing.T) string {
	l, err := net.Listen("tcp", victimAddress)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go answer(l, func(net.Conn) string { return "victim\n" })
	return l.Addr().String()
}

func ask(t *testing.T, network, address string) string {
	t.Helper()
	c, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatalf("no answer from %s: %v\n%s", address, err, sh(t, "journalctl -n 40 -u 'forkgate-*' -o cat"))
	}
	return line
}

// journal collects "PREFIX NAME: RESULT" from what a unit has logged, once it says that it is done.
func journal(t *testing.T, unit, prefix string) map[string]string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		logged := sh(t, "journalctl --sync; journalctl -o cat -u "+unit)
		if strings.Contains(logged, "done\n") || time.Now().After(deadline) {
			report := map[string]string{}
			collect(report, logged, prefix)
			t.Logf("%s: %s%v", unit, prefix, report)
			return report
		}
	}
}

func collect(report map[string]string, text, prefix string) {
	for line := range strings.Lines(text) {
		if said, ok := strings.CutPrefix(strings.TrimSpace(line), prefix); ok {
			name, result, _ := strings.Cut(said, ": ")
			report[name] = result
		}
	}
}

func sh(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.Command("bash", "-c", "set -o pipefail; "+command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", command, err, out, journalTail())
	}
	return string(out)
}

func journalTail() string {
	out, err := exec.Command("journalctl", "-n", "40", "--no-pager").Output()
	return fmt.Sprintf("%s%v", out, err)
}
