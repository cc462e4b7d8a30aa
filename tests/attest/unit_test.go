package attest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// The unit takes rights away; what is left must be enough for everything that the daemon does. In a booted machine the kernel
// reports no processes, so that events are left out here.
func TestTheUnit(t *testing.T) {
	w := newWorkstation(t)
	m := w.install(t)
	m.Must(t, "forkgate-attest", "init", "--principal", "7001=alice")
	m.Must(t, "useradd", "--uid", "7001", "alice")
	if mode := m.Must(t, "stat", "-c", "%U %a", "/etc/forkgate-attest/attest_key"); mode != "root 600" {
		t.Errorf("the key is %s", mode)
	}
	m.Must(t, "sed", "-i", "s|^agents.*||; 1i events = \"optional\"", "/etc/forkgate-attest/attest.hcl")
	m.Must(t, "systemctl", "enable", "--now", "forkgate-attest.socket", "forkgate-attest.service")
	pid := strings.TrimPrefix(m.Must(t, "systemctl", "show", "-p", "MainPID", "forkgate-attest"), "MainPID=")
	if nice := m.Must(t, "ps", "-o", "ni=", "-p", pid); strings.TrimSpace(nice) != "-15" {
		t.Errorf("it looks at programs with nice %s", nice)
	}
	if mode := m.Must(t, "stat", "-c", "%a", "/run/forkgate/attest.sock"); mode != "666" {
		t.Errorf("the socket is %s", mode)
	}
	if said := m.Must(t, "setpriv", "--reuid=7001", "--clear-groups", "forkgate-attest", "whoami"); !strings.Contains(said, "verdict      unverified") {
		t.Errorf("no login, and yet %q", said)
	}
	// The relay enters the caller's files and becomes the caller: it needs rights that nothing else here does.
	agent := "eval $(ssh-agent -s) >/dev/null; k=$(mktemp -d)/k; ssh-keygen -q -t ed25519 -N '' -f $k; ssh-add -q $k; ssh-keygen -lf $k; " +
		"python3 -c 'import socket; s=socket.socket(socket.AF_UNIX); s.connect(\"/run/forkgate/attest.sock\"); s.send(b\"\\0\\0\\0\\1\\x0b\"); " +
		"print(\"keys\", s.recv(9)[8])'; kill $SSH_AGENT_PID"
	if said := m.Must(t, "setpriv", "--reuid=7001", "--clear-groups", "env", "HOME=/tmp", "bash", "-c", agent); !strings.HasSuffix(said, "keys 1") {
		t.Errorf("relayed: %q", said)
	}
	// A reload does not end it, and neither does a restart.
	before := m.Must(t, "systemctl", "show", "-p", "MainPID", "forkgate-attest")
	m.Must(t, "systemctl", "reload", "forkgate-attest")
	m.Must(t, "sh", "-c", "for i in $(seq 100); do journalctl -u forkgate-attest | grep -q 'is loaded again' && exit; sleep 0.05; done; exit 1")
	if after := m.Must(t, "systemctl", "show", "-p", "MainPID", "forkgate-attest"); after != before {
		t.Errorf("a reload made %s of %s", after, before)
	}
	m.Must(t, "systemctl", "restart", "forkgate-attest")
	m.Must(t, "make", "--silent", "-C", w.dir, "uninstall-attest")
	if r := m.Run(t.Context(), t, "systemctl", "is-active", "forkgate-attest"); r.Code == 0 {
		t.Error("it runs on after uninstall-attest")
	}
}

// install installs the attestor in a machine as an operator does.
func (w *workstation) install(t *testing.T) *machine.Machine {
	t.Helper()
	need.Tools(t, "make", "ssh-keygen", "ssh-add")
	checkout := need.Checkout(t)
	must(t, os.MkdirAll(filepath.Join(w.dir, "bin"), 0o755))
	for _, args := range [][]string{
		{"cp", filepath.Join(w.dir, "forkgate-attest"), filepath.Join(w.dir, "bin")},
		{filepath.Join(w.dir, "forkgate-attest"), "docs", filepath.Join(w.dir, "bin", "docs", "attest")},
		{"cp", "-r", filepath.Join(checkout, "Makefile"), filepath.Join(checkout, "README.md"), filepath.Join(checkout, "packaging"), filepath.Join(checkout, "policy.d"), w.dir},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	m := machine.Boot(t, machine.Options{Share: []string{w.dir}})
	m.Must(t, "make", "--silent", "-C", w.dir, "install-attest")
	m.Must(t, "cp", filepath.Join(w.dir, "attest.hcl"), "/etc/forkgate-attest/attest.hcl")
	return m
}
