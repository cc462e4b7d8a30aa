package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/need"
)

// Debs builds the Debian packages of a version for the architecture into dir, and returns the paths of the host's and the workstation's.
func Debs(t testing.TB, arch, version, dir string) (gate, attest string) {
	t.Helper()
	need.Tools(t, "dpkg-deb", "x86_64-linux-gnu-gcc", "aarch64-linux-gnu-gcc", "make", "git")
	c := exec.Command(filepath.Join(need.Checkout(t), "packaging/package"), arch, dir)
	c.Env = append(os.Environ(), "VERSION="+version, "SOURCE_DATE_EPOCH=1767225600")
	out, err := c.Output()
	if err != nil {
		t.Fatalf("cannot build the packages: %v\n%s%s", err, out, stderr(err))
	}
	lines := strings.Fields(string(out))
	if len(lines) != 2 {
		t.Fatalf("packaging/package says %q", out)
	}
	return lines[0], lines[1]
}

func stderr(err error) []byte {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.Stderr
	}
	return nil
}
