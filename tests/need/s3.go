package need

import (
	"os"
	"path/filepath"
	"testing"
)

// S3 needs a server that speaks S3 and keeps what it is given in a directory, versitygw, and returns the program.
func S3(t testing.TB) string {
	t.Helper()
	program := filepath.Join(Checkout(t), "build", "versitygw")
	if _, err := os.Stat(program); err != nil {
		missing(t, "build/versitygw: run make build/versitygw")
	}
	return program
}
