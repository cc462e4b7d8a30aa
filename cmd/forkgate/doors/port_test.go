package doors

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// systemctl is one that knows of two units, by files, and of what fails.
const systemctl = `#!/bin/sh
echo "$*" >>"$DIR/ran"
[ "$1" = --no-block ] && shift
case $1 in
is-active) cat "$DIR/$2"; grep -qx active "$DIR/$2" ;;
stop) for unit in $2 $3; do echo inactive >"$DIR/$unit"; done ;;
start | restart) [ "$FAILS" != "$2" ] || { echo failed >"$DIR/$2"; exit 1; }; echo active >"$DIR/$2" ;;
esac`

// Whatever becomes of one of them the other is there; and at boot nothing is started, stopped or waited for.
func TestChangePlaces(t *testing.T) {
	for _, c := range []struct {
		gate, sshd, fails string
		gateRan           bool
		want              string // of both, then
		code              int
	}{
		{"active", "active", "", true, "active active", 0},
		{"active", "active", "ssh.service", true, "active failed", 1},
		{"active", "failed", "", true, "active active", 0}, // the undo of that
		{"inactive", "active", "", true, "active active", 0},
		{"active", "active", "forkgate-gate.socket", true, "failed active", 1},
		{"failed", "active", "", true, "active active", 0},
		{"inactive", "active", "", false, "inactive active", 0},
		{"active", "inactive", "", true, "active inactive", 0},
		{"inactive", "inactive", "", true, "inactive inactive", 0},
		{"unknown", "unknown", "", true, "unknown unknown", 0},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"systemctl": systemctl, "forkgate-gate.socket": c.gate, "ssh.service": c.sshd} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		argv := changePlaces("ssh.service", c.gateRan)
		cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
		cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "DIR=" + dir, "FAILS=" + c.fails}
		out, err := cmd.CombinedOutput()
		var now []string
		for _, name := range []string{"forkgate-gate.socket", "ssh.service"} {
			text, _ := os.ReadFile(filepath.Join(dir, name))
			now = append(now, strings.TrimSpace(string(text)))
		}
		if got := strings.Join(now, " "); got != c.want || cmd.ProcessState.ExitCode() != c.code {
			t.Errorf("%+v: %s, %v, %s", c, got, err, out)
		}
		ran, _ := os.ReadFile(filepath.Join(dir, "ran"))
		if c.sshd == "inactive" && c.gate == "inactive" && (strings.Contains(string(ran), "start") || strings.Contains(string(ran), "stop")) {
			t.Errorf("at boot: %s", ran)
		}
	}
}

// A port that sshd does not get is given back, and the gate's is as it was.
func TestAPortThatSSHDDoesNotGet(t *testing.T) {
	h := build(t)
	h.programs["systemctl show "+properties+" -- ssh.socket"] = "Id=ssh.socket\nActiveState=inactive\n"
	h.programs["systemctl show "+properties+" -- forkgate-gate"] += "ActiveState=active\n"
	h.programs["sshd -t"], h.programs["sh -c"] = "", ""
	before := h.shape(t)
	var scripts []string
	h.watch = func(command string) {
		if strings.HasPrefix(command, "sh -c") {
			scripts = append(scripts, command)
			h.failing = map[bool]string{true: "sh -c"}[len(scripts) == 1]
		} else {
			h.failing = ""
		}
	}
	if _, err := h.TakePort(t.Context(), 22, netip.MustParseAddrPort("127.0.0.1:222")); err == nil {
		t.Fatal("sshd is nowhere, and that is no error")
	}
	if len(scripts) != 2 || !strings.Contains(scripts[0], "start forkgate-gate.socket") {
		t.Errorf("ran %q", scripts)
	}
	same(t, "given back", before, h.shape(t))
}

// A port is the gate's for good unless that is what waits to be confirmed; whatever waits, it is there that callers come.
func TestWhoseThePortIs(t *testing.T) {
	h := build(t)
	taken := func(want, held bool) {
		t.Helper()
		if got, err := h.PortTaken(); got != want || err != nil || h.PortHeld() != held {
			t.Errorf("taken for good: %v, %v, held: %v", got, err, h.PortHeld())
		}
	}
	taken(false, false)
	if err := os.MkdirAll(filepath.Dir(h.root+gateSocket), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.root+gateSocket, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	taken(true, true)
	if _, err := h.Close(t.Context(), "sudo"); err != nil {
		t.Fatal(err)
	}
	taken(true, true) // another closing waits
	b, err := h.openBook()
	if err != nil {
		t.Fatal(err)
	}
	b.Changes = append(b.Changes, change{Way: PortWay})
	if err := b.write(); err != nil {
		t.Fatal(err)
	}
	b.close()
	taken(false, true)
}

// What is taken back at boot is taken back before systemd listens by what was closed; what the timer starts waits for nobody who waits for it.
func TestWhenThereIsABoot(t *testing.T) {
	h := build(t)
	if _, err := h.Close(t.Context(), "sudo"); err != nil {
		t.Fatal(err)
	}
	target, err := os.Readlink(h.root + wanted)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(h.root+wanted), target))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	before := ""
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, "Before="); ok {
			before += " " + rest + " "
		}
	}
	for _, unit := range []string{"sockets.target", "forkgate-gate.socket", "ssh.service", "sshd.service", "getty.target", "systemd-user-sessions.service", "shutdown.target"} {
		if !strings.Contains(before, " "+unit+" ") {
			t.Errorf("not before %s: %s", unit, text)
		}
	}
	for _, line := range []string{"DefaultDependencies=no", "Conflicts=shutdown.target", "RequiresMountsFor=" + h.State, "Restart=on-failure"} {
		if !slices.Contains(lines, line) {
			t.Errorf("no %s: %s", line, text)
		}
	}
	timers, err := os.ReadFile(h.root + "/etc/systemd/system/" + unitName + ".service")
	if err != nil || strings.Contains(string(timers), "Before=") || !strings.Contains(string(timers), fmt.Sprintf("ExecStart=%s doors --rollback", h.Host.Program)) {
		t.Errorf("%s, %v", timers, err)
	}
}
