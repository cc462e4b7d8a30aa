package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/tests/need"
)

// Build makes the programs, and puts them into dir, which must not exist, with what make install wants beside them. The machine gets a copy and not the
// checkout, because files below an overlay must not change while it is mounted, and a checkout is where people edit.
func Build(t testing.TB, dir string) string {
	t.Helper()
	checkout := need.Checkout(t)
	mkdir(t, dir)
	built(t, checkout, filepath.Join(dir, "bin"))
	run(t, exec.Command("cp", "-r", filepath.Join(checkout, "Makefile"), filepath.Join(checkout, "README.md"), filepath.Join(checkout, "packaging"),
		filepath.Join(checkout, "policy.d"), dir))
	return dir
}

// built copies the programs to a directory. They are linked once for all tests, in build/programs, where one test at a time looks whether they are up to date.
func built(t testing.TB, checkout, dir string) {
	t.Helper()
	shared := filepath.Join(checkout, "build", "programs")
	if err := os.MkdirAll(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(shared)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command("make", "--silent", "-C", checkout, "BIN="+shared, "build"))
	run(t, exec.Command("cp", "-r", shared, dir))
}

// onDisk makes a directory that is on a disk: /tmp may be memory, and a pool and a rootfs are too large for that.
func onDisk(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "forkgate-host-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func mkdir(t testing.TB, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, c *exec.Cmd) {
	t.Helper()
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
}
