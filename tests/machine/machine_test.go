package machine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/machine"
	"forkgate/tests/need"
)

func TestBoot(t *testing.T) {
	outside := t.TempDir()
	m := machine.Boot(t, machine.Options{Share: []string{outside}})

	if state := m.Must(t, "systemctl", "is-system-running"); state != "running" {
		t.Errorf("the machine is %s: %s", state, m.Must(t, "systemctl", "--failed"))
	}
	if got := m.Must(t, "sh", "-c", "ls /sys/class/net; tr '\\0' ' ' </proc/1/cmdline"); !strings.HasPrefix(got, "lo\n/lib/systemd/systemd ") {
		t.Errorf("want a network of lo alone, and systemd as pid 1: %s", got)
	}
	if got := m.Must(t, "systemd-run", "--quiet", "--pipe", "--wait", "--property=User=nobody", "id", "-un"); got != "nobody" {
		t.Errorf("a unit ran as %q", got)
	}
	if r := m.Run(t.Context(), t, "sh", "-c", "echo out; echo err >&2; exit 7"); r != (machine.Result{Stdout: "out\n", Stderr: "err\n", Code: 7}) {
		t.Errorf("a command came back as %+v", r)
	}
	if r := m.Run(t.Context(), t, "sh", "-c", "kill -TERM $$"); r.Code != 128+15 {
		t.Errorf("a command killed by SIGTERM has code %d", r.Code)
	}
}

func TestWhatItWritesStaysInside(t *testing.T) {
	shared := t.TempDir()
	m := machine.Boot(t, machine.Options{Share: []string{shared}, Scratch: scratch(t)})

	m.Must(t, "sh", "-c", "echo inside >/etc/forkgate-machine-test && echo inside >"+shared+"/file && touch /tmp/inside")
	for _, gone := range []string{"/etc/forkgate-machine-test", "/tmp/inside"} {
		if _, err := os.Lstat(gone); err == nil {
			os.Remove(gone)
			t.Errorf("%s is on the outer machine", gone)
		}
	}
	if got, err := os.ReadFile(filepath.Join(shared, "file")); string(got) != "inside\n" {
		t.Errorf("a shared directory has %q, %v", got, err)
	}
	if got, err := os.ReadFile(m.Root() + "/etc/forkgate-machine-test"); string(got) != "inside\n" {
		t.Errorf("below Root is %q, %v", got, err)
	}
}

func TestPrepareRunsBeforeSystemd(t *testing.T) {
	m := machine.Boot(t, machine.Options{Prepare: "tr '\\0' ' ' </proc/1/cmdline >/etc/prepared; ls /sys/class/net >>/etc/prepared"})
	outer, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	got := m.Must(t, "cat", "/etc/prepared")
	if strings.Contains(got, "systemd --system") {
		t.Errorf("systemd ran already: %s", got)
	}
	for _, network := range outer {
		if !strings.Contains(got, network.Name()) {
			t.Errorf("it had no %s: %s", network.Name(), got)
		}
	}
}

func TestTwoMachines(t *testing.T) {
	one, two := machine.Boot(t, machine.Options{}), machine.Boot(t, machine.Options{})
	one.Must(t, "sh", "-c", "hostname >/etc/who; systemd-run --quiet --unit=only-here sleep 600")
	if r := two.Run(t.Context(), t, "cat", "/etc/who"); r.Code == 0 {
		t.Errorf("%s reads what %s wrote: %s", two.Name, one.Name, r.Stdout)
	}
	if r := two.Run(t.Context(), t, "systemctl", "is-active", "only-here"); r.Stdout != "inactive\n" {
		t.Errorf("the unit of %s is %s in %s", one.Name, r.Stdout, two.Name)
	}
}

// scratch is a directory on the disk of the checkout: the temporary directory may be in memory.
func scratch(t *testing.T) string {
	t.Helper()
	need.Root(t)
	dir, err := os.MkdirTemp("/var/tmp", "forkgate-machine-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
