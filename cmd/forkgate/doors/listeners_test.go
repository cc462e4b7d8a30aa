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
