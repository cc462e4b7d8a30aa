package need

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// S3 needs Go, and builds a server that speaks S3 and keeps what it is given in a directory. It returns the program.
func S3(t testing.TB) string {
	t.Helper()
	Tools(t, "go", "gcc")
	program := filepath.Join(t.TempDir(), "versitygw")
	build := exec.Command("go", "build", "-C", filepath.Join(Checkout(t), "tests", "peers", "s3"), "-o", program, "github.com/versity/versitygw/cmd/versitygw")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	return program
}
