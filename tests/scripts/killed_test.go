package scripts_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/tests/host"
)

// killedWardens kills the warden at moments all over the making and removing of forks. What then is on the disk is what the registry
// says, the caller has been told the truth, and every fork that there is can be entered.
func killedWardens(t *testing.T, h *host.Host) {
	forked := 0
	for i := range 16 {
		tag := fmt.Sprintf("killed%d", i)
		client := killedSSH(t, h, "gate@any", "fork", "demo", tag)
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		// A login takes some 15 ms here, and the fork the last 5 of it.
		time.Sleep(time.Duration(5+2*i) * time.Millisecond)
		h.Must(t, "systemctl", "kill", "--signal=KILL", "--kill-whom=main", "forkgate-warden")
		told := client.Wait() == nil
		h.Must(t, "systemctl", "restart", "forkgate-warden")

		exists := slices.Contains(consistent(t, h), "demo:"+tag)
		if told && !exists {
			t.Errorf("%s: its maker was told that it is made, and it is not there", tag)
		}
		if exists {
			forked++
		}
		if out, err := killedSSH(t, h, "demo+"+tag+"@any", "cat", "orders.txt").Output(); err != nil || string(out) != "orders\n" {
			t.Errorf("%s cannot be entered: %q, %v", tag, out, err)
		}
		if out, err := killedSSH(t, h, "gate@any", "rm", "demo+"+tag).CombinedOutput(); err != nil {
			t.Errorf("%s cannot be removed: %s", tag, out)
		}
	}
	if forked == 0 || forked == 16 {
		t.Errorf("of 16 forks %d were made: the kills all came too early, or too late", forked)
	}
}

func killedSSH(t *testing.T, h *host.Host, args ...string) *exec.Cmd {
	return h.SSH(t.Context(), append([]string{"-o", "IdentityFile=" + filepath.Join(h.Dir, "killed-agent")}, args...)...)
}

// consistent compares the registry with the pool, and returns the forks' refs.
func consistent(t *testing.T, h *host.Host) (refs []string) {
	t.Helper()
	var forks []struct{ Ref, GUID string }
	if err := json.Unmarshal([]byte(h.Must(t, "forkgate", "forks", "--json")), &forks); err != nil {
		t.Fatal(err)
	}
	var registered []string
	for _, f := range forks {
		refs, registered = append(refs, f.Ref), append(registered, f.GUID)
	}
	slices.Sort(registered)
	onDisk := strings.Fields(h.Must(t, "ls", "/var/lib/forkgate/pool/forks"))
	if !slices.Equal(registered, onDisk) {
		t.Errorf("in the registry %q\nin the pool %q", registered, onDisk)
	}
	return refs
}
