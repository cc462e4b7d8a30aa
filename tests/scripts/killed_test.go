package scripts_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"forkgate/tests/host"
)

// killedWardens kills the warden in the middle of forks: some time after the fork's directory has appeared, from at once to long
// after. What then is on the disk is what the registry says, the caller has been told the truth, and every fork can be entered. When
// a kill lands is chance, so there are more of them until one has come in time; that none does would say nothing about the warden.
func killedWardens(t *testing.T, h *host.Host) {
	const least, most = 16, 96
	undone, killed := 0, 0
	for i := 0; i < least || undone == 0 && i < most; i++ {
		killed++
		tag := fmt.Sprintf("killed%d", i)
		client := killedSSH(t, h, "gate@any", "fork", "demo", tag)
		warden, appeared := wardenOf(t, h), watchForks(t, h)
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		if !appeared(time.Minute) {
			t.Fatalf("%s is not being made", tag)
		}
		time.Sleep(time.Duration(i%least) * 250 * time.Microsecond)
		if err := syscall.Kill(warden, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		told := client.Wait() == nil
		h.Must(t, "systemctl", "restart", "forkgate-warden")

		exists := slices.Contains(consistent(t, h), "demo:"+tag)
		if told && !exists {
			t.Errorf("%s: its maker was told that it is made, and it is not there", tag)
		}
		if !exists {
			undone++
		}
		if out, err := killedSSH(t, h, "demo+"+tag+"@any", "cat", "orders.txt").Output(); err != nil || string(out) != "orders\n" {
			t.Errorf("%s cannot be entered: %q, %v", tag, out, err)
		}
		if out, err := killedSSH(t, h, "gate@any", "rm", "demo+"+tag).CombinedOutput(); err != nil {
			t.Errorf("%s cannot be removed: %s", tag, out)
		}
	}
	if undone == 0 {
		t.Error("no fork was interrupted: the kills all came too late, and prove nothing")
	}
	t.Logf("of %d forks whose warden was killed %d were undone, and the others are whole", killed, undone)
}

// wardenOf finds the machine's warden among this machine's processes: a signal from here takes microseconds.
func wardenOf(t *testing.T, h *host.Host) (pid int) {
	t.Helper()
	inside, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", h.Leader()))
	if err != nil {
		t.Fatal(err)
	}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		command, _ := os.ReadFile(dir + "/cmdline") // it may have ended meanwhile
		where, _ := os.Readlink(dir + "/ns/pid")
		if string(command) == "/usr/bin/forkgate\x00warden\x00" && where == inside {
			pid, _ = strconv.Atoi(filepath.Base(dir))
			return pid
		}
	}
	t.Fatal("no warden runs")
	return 0
}

// watchForks returns a function that waits until a fork appears that is not there now.
func watchForks(t *testing.T, h *host.Host) (appeared func(patience time.Duration) bool) {
	t.Helper()
	dir := filepath.Join(h.Root(), "var/lib/forkgate/pool/forks")
	count := func() int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := count()
	return func(patience time.Duration) bool {
		for end := time.Now().Add(patience); time.Now().Before(end); {
			if count() > before {
				return true
			}
		}
		return false
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
