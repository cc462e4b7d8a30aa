// Package need says what a test needs. Where it is not to be had, the test is skipped, unless REQUIRE=all is set, as CI does:
// then it fails. No other package may skip a test.
package need

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Root needs uid 0.
func Root(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, "root: run make test")
	}
}

// sbin is what is not on everybody's PATH.
const sbin = ":/usr/sbin:/sbin"

// Tools needs programs on the PATH, under /usr/sbin too. Where tests run side by side, TestMain has to be [Parallel].
func Tools(t testing.TB, names ...string) {
	t.Helper()
	if path := os.Getenv("PATH"); !strings.HasSuffix(path, sbin) {
		t.Setenv("PATH", path+sbin)
	}
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing(t, name+": run make test, which installs it")
		}
	}
}

// Files needs files of Debian packages, by path.
func Files(t testing.TB, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			missing(t, path+": run make test, which installs it")
		}
	}
}

// Parallel is the TestMain of a package whose tests wait for others most of the time: it has four of them side by side, on however few
// processors, and has all of them find what is under /usr/sbin, for t.Setenv and t.Parallel exclude each other.
func Parallel(m *testing.M) {
	flag.Parse()
	if err := errors.Join(os.Setenv("PATH", os.Getenv("PATH")+sbin), flag.Set("test.parallel", "4")); err != nil {
		panic(err)
	}
	m.Run()
}

// Systemd needs what it takes to boot a systemd host: root, systemd, D-Bus and namespaces. Package machine boots it.
func Systemd(t testing.TB) {
	t.Helper()
	Root(t)
	Tools(t, "bash", "unshare", "nsenter", "setpriv", "flock", "losetup", "dbus-daemon", "systemctl")
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("REQUIRE") == "all" {
		t.Fatalf("REQUIRE=all, and this test needs %s", what)
	}
	t.Skipf("needs %s", what)
}

// Eventually waits until something is so. What should be so at once takes longer on a busy machine: there is a minute.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
