package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/tests/host"
)

// Before a host goes down, what runs in pods hears of it: the function down of a Rediaccfile has its time, and then the pod stops. Control: without
// forkgate-down.service nothing there hears of anything.
func TestDownBeforeTheHostGoesDown(t *testing.T) {
	t.Parallel()
	for name, hears := range map[string]bool{"as installed": true, "control": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := host.Start(t, host.Options{Agents: []string{"bot"}})
			h.Repo(t, "demo", "/etc/systemd")
			out, err := h.SSH(t.Context(), "demo+x@bot", `printf 'down() {\n  sleep 1\n  echo orderly >said\n}\n' >Rediaccfile`).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if got := h.Must(t, "systemctl", "is-active", "forkgate-down.service"); got != "active" {
				t.Errorf("forkgate-down.service is %s", got)
			}
			if !hears {
				h.Must(t, "sh", "-ec", "mkdir -p /run/systemd/system/forkgate-down.service.d; printf '[Service]\\nExecStop=\\n' >/run/systemd/system/forkgate-down.service.d/not.conf")
			}
			// What the pod has left is copied to where it can be seen when the host is gone.
			h.Must(t, "sh", "-ec", "mkdir -p /run/systemd/system/forkgate-pod@.service.d; cat >/run/systemd/system/forkgate-pod@.service.d/said.conf <<END; systemctl daemon-reload\n"+
				"[Unit]\nRequiresMountsFor="+h.Dir+"\n[Service]\nExecStopPost=/bin/sh -c 'cp /var/lib/forkgate/pool/forks/%i/tree/data/said "+h.Dir+"; touch "+h.Dir+"/stopped-%i'\nEND\n")
			guid := h.Must(t, "sh", "-c", `forkgate show demo:x --json | sed -n 's/.*"guid": "\([^"]*\)".*/\1/p'`)
			began := time.Now()
			h.Must(t, "systemctl", "--no-block", "start", "exit.target")
			stopped := filepath.Join(h.Dir, "stopped-"+guid) // and not a spare's, which the warden may end at any time
			for {
				if _, err := os.Stat(stopped); err == nil {
					break
				}
				if time.Since(began) > time.Minute {
					t.Fatal("the pod does not stop")
				}
				time.Sleep(50 * time.Millisecond)
			}
			said, err := os.ReadFile(filepath.Join(h.Dir, "said"))
			if hears != strings.HasPrefix(string(said), "orderly") {
				t.Errorf("it says %q, %v", said, err)
			}
		})
	}
}
