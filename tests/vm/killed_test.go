package vm_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"forkgate/tests/need"
	"forkgate/tests/vm"
)

// child is set in a copy of the test binary that boots a host and is killed while it does.
const child = "FORKGATE_VM_TEST_CHILD"

func TestNothingIsLeftAfterKill(t *testing.T) {
	need.VM(t)
	if dir := os.Getenv(child); dir != "" {
		vm.Boot(t, dir)
		t.Fatal("nobody has killed this test")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before := leftovers(t)
	test := exec.Command(self, "-test.run=^"+t.Name()+"$")
	test.Env = append(os.Environ(), child+"="+t.TempDir())
	var said bytes.Buffer
	test.Stdout, test.Stderr = &said, &said
	if err := test.Start(); err != nil {
		t.Fatal(err)
	}
	qemu := 0
	for deadline := time.Now().Add(patience); qemu == 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		qemu = emulatorOf(test.Process.Pid)
	}
	if err := test.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = test.Wait() // killed
	if qemu == 0 {
		t.Fatalf("there was no qemu, this test proves nothing:\n%s", &said)
	}
	for deadline := time.Now().Add(patience); isEmulator(qemu) && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	if isEmulator(qemu) {
		t.Errorf("qemu, pid %d, lives on", qemu)
	}
	if after := leftovers(t); after != before {
		t.Errorf("files before:\n%s\nafter:\n%s", before, after)
	}
}

// patience is for a busy machine.
const patience = 2 * time.Minute

// emulatorOf finds the qemu that a process has started, 0 if there is none.
func emulatorOf(parent int) int {
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(parent) + "/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list) // the thread may be gone
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && isEmulator(pid) {
				return pid
			}
		}
	}
	return 0
}

func isEmulator(pid int) bool {
	name, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm") // it may be gone
	return strings.HasPrefix(string(name), "qemu-system") && syscall.Kill(pid, 0) == nil
}

// leftovers are the files that this package or qemu might have made outside of the checkout.
func leftovers(t *testing.T) string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"/var/tmp/forkgate-vm-*", "/var/tmp/vl.*", "/tmp/vl.*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, files...)
	}
	return strings.Join(found, "\n")
}
