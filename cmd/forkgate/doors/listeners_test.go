package doors

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What systemd itself listens by is a unit, and stops like one: nobody is told to end process 1.
func TestASocketOfSystemds(t *testing.T) {
	f := shut()
	opens := openings()
	i := slices.IndexFunc(opens, func(o opening) bool { return strings.Contains(o.found, "tftp.socket") })
	opens[i].opens(f)
	if r := row(t, f, "listener 69/udp"); strings.Contains(r.Do, "end process") || !strings.Contains(r.Do, "--close 'listener 69/udp'") {
		t.Errorf("%+v", r)
	}
	h := build(t)
	h.programs["systemctl show "+properties+" -- *.socket"] = f.programs["systemctl show "+properties+" -- *.socket"]
	h.put(t, "proc/net/udp", hears("0A00000A:0045", "07"))
	if err := os.MkdirAll(h.root+"/proc/1/fd", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"fd/3": "socket:[18436]", "exe": "/usr/lib/systemd/systemd"} {
		if err := os.Symlink(to, filepath.Join(h.root, "proc/1", name)); err != nil {
			t.Fatal(err)
		}
	}
	var ran []string
	h.watch = func(command string) { ran = append(ran, command) }
	if _, err := h.Close(t.Context(), "listener 69/udp"); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(ran, "systemctl stop tftp.socket") {
		t.Errorf("ran %q", ran)
	}
	if text, err := fs.ReadFile(h.Host.Files, shutUnit("tftp.socket")[1:]); err != nil || !strings.Contains(string(text), "ConditionPathExists=") {
		t.Errorf("%s, %v", text, err)
	}
}

// The host's own sshd is stopped by nobody who closes what listens, wherever it does.
func TestSSHDIsNotStopped(t *testing.T) {
	for _, address := range []string{"0.0.0.0:2200", "[::]:2200"} {
		f := shut()
		hearing("0898", "/usr/sbin/sshd", "ssh.service", "/usr/sbin/sshd\x00-D\x00")(f)
		says(f, "sshd -T", "port 22\n", "port 22\nlistenaddress "+address+"\n")
		for _, r := range Examine(t.Context(), f.host()) {
			if r.Way == "listener 2200/tcp" || r.Way == "sshd" && r.State == Open {
				t.Errorf("%s: %+v", address, r)
			}
		}
	}
	f := shut()
	hearing("0898", "/usr/sbin/sshd", "ssh.service", "")(f)
	for _, w := range ways(t.Context(), f.host()) {
		if w.name == "listener 2200/tcp" && w.shut != nil {
			t.Error("it would be stopped")
		}
	}
}

// What is written may be newer than the sshd that runs.
func TestClosingSSHDReloadsIt(t *testing.T) {
	h := build(t)
	h.put(t, "etc/pam.d/sshd", "@include common-account\n")
	h.programs["sshd -t"] = ""
	var ran []string
	h.watch = func(command string) { ran = append(ran, command) }
	if _, err := h.Close(t.Context(), "sshd"); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(ran, "systemctl try-reload-or-restart ssh.service") {
		t.Errorf("ran %q", ran)
	}
}

// A service that may be there for a reason is stopped by name alone.
func TestWhoIsStoppedUnnamed(t *testing.T) {
	for program, byName := range map[string]bool{"in.telnetd": false, "dockerd": true, "rsync": true, "xinetd": true, "nginx": true} {
		f := shut()
		hearing("0017", "/usr/sbin/"+program, "x.service", "")(f)
		for _, w := range ways(t.Context(), f.host()) {
			if w.name == "listener 23/tcp" && w.byName != byName {
				t.Errorf("%s: by name alone: %t", program, w.byName)
			}
		}
	}
}
