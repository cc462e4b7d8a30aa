package machine_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// child is set in a copy of the test binary that boots a machine, makes a mess in it, says so, and waits to be killed.
const child = "FORKGATE_MACHINE_TEST_SCRATCH"

func TestNothingIsLeftAfterClose(t *testing.T) {
	before, dir := attached(t), scratch(t)
	var name string
	t.Run("machine", func(t *testing.T) {
		m := machine.Boot(t, machine.Options{Scratch: dir})
		name = m.Name
		mess(t, m)
		if len(left(name, dir)) == 0 || attached(t) == before {
			t.Error("there is nothing to clean up: this test proves nothing")
		}
	})
	expectNothing(t, name, dir, before)
}

func TestNothingIsLeftAfterKill(t *testing.T) {
	before, dir := attached(t), scratch(t)
	c, name := startChild(t, dir)
	if len(left(name, dir)) == 0 || attached(t) == before {
		t.Error("there is nothing to clean up: this test proves nothing")
	}
	kill(c.Process.Pid)
	_ = c.Wait() // killed
	expectNothing(t, name, dir, before)
}

// Whoever kills everything that belongs to a machine, its watcher too, leaves the cleaning to the next boot.
func TestTheNextBootCleansUp(t *testing.T) {
	dir := scratch(t)
	c, name := startChild(t, dir)
	for _, pid := range processesOf(t, name) {
		kill(pid)
	}
	kill(c.Process.Pid)
	_ = c.Wait() // killed
	if len(left(name, dir)) == 0 {
		t.Error("there is nothing to clean up: this test proves nothing")
	}
	t.Run("next", func(t *testing.T) { machine.Boot(t, machine.Options{}) })
	if traces := left(name, dir); len(traces) > 0 {
		t.Errorf("left behind: %s", traces)
	}
}

func TestChild(t *testing.T) {
	dir := os.Getenv(child)
	if dir == "" {
		return // this is the parent's run
	}
	m := machine.Boot(t, machine.Options{Scratch: dir})
	mess(t, m)
	fmt.Printf("\nbooted %s\n", m.Name)
	time.Sleep(time.Minute)
}

// mess leaves a loop device, a mounted btrfs and a process outside of any unit.
func mess(t *testing.T, m *machine.Machine) {
	t.Helper()
	m.Must(t, "sh", "-ec", `
		truncate -s 200M /pool.img; mkfs.btrfs -q /pool.img; mkdir /pool; mount -o loop /pool.img /pool; echo x >/pool/x
		truncate -s 1M /loose.img; losetup --find /loose.img
		setsid sleep 600 >/dev/null 2>&1 &`)
}

func startChild(t *testing.T, dir string) (c *exec.Cmd, name string) {
	t.Helper()
	need.Systemd(t)
	need.Tools(t, "mkfs.btrfs")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c = exec.Command(self, "-test.run=^TestChild$", "-test.v")
	c.Env = append(os.Environ(), child+"="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	for lines := bufio.NewScanner(out); lines.Scan(); fmt.Fprintln(&said, lines.Text()) {
		if booted, ok := strings.CutPrefix(lines.Text(), "booted "); ok {
			return c, booted
		}
	}
	_ = c.Wait()
	t.Fatalf("the child has not booted a machine:\n%s", &said)
	return nil, ""
}

func expectNothing(t *testing.T, name, dir, before string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for len(left(name, dir)) > 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if traces := left(name, dir); len(traces) > 0 {
		t.Errorf("left behind: %s", traces)
	}
	for after := attached(t); after != before; after = attached(t) {
		if time.Now().After(deadline) {
			t.Fatalf("loop devices before:\n%safter:\n%s", before, after)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// left is what the outer machine has of a machine: its claim, its cgroups, its scratch directory, its processes' mounts.
func left(name, dir string) []string {
	var found []string
	for _, pattern := range []string{
		"/run/forkgate-machines/" + name, "/sys/fs/cgroup/machine-" + name, "/sys/fs/cgroup/*/machine-" + name,
		"/sys/fs/cgroup/*/*.scope/machine-" + name, "/sys/fs/cgroup/*/*/*.scope/machine-" + name, dir + "/*",
	} {
		matches, _ := filepath.Glob(pattern)
		found = append(found, matches...)
	}
	if mounts, _ := os.ReadFile("/proc/self/mountinfo"); bytes.Contains(mounts, []byte("machine-"+name)) {
		found = append(found, "a mount")
	}
	return found
}

// attached lists the loop devices over files of test machines. Others on this machine come and go as they like.
func attached(t *testing.T) string {
	t.Helper()
	need.Tools(t, "losetup")
	out, err := exec.Command("losetup", "--noheadings", "--list", "--output", "NAME,BACK-FILE").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mine strings.Builder
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, " /pool.img") || strings.Contains(line, " /loose.img") {
			mine.WriteString(line)
		}
	}
	return mine.String()
}

// processesOf finds the processes outside that serve a machine: boot and its watcher, by the machine's name on their command line.
func processesOf(t *testing.T, name string) []int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, dir := range dirs {
		line, _ := os.ReadFile(dir + "/cmdline")
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && bytes.Contains(line, []byte(name)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) } // it may be gone
