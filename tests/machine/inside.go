package machine

import (
	"os"
	"path/filepath"
	"testing"
)

// within is set for a test binary that runs in a machine.
const within = "FORKGATE_WITHIN_MACHINE"

// Within reports whether this test runs in a machine. Where it does not, Within boots one, runs the same test of the same
// binary in it, with the same result, and reports false:
//
//	if !machine.Within(t) {
//		return
//	}
func Within(t *testing.T) bool {
	t.Helper()
	if os.Getenv(within) != "" {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	m := Boot(t, Options{Share: []string{filepath.Dir(self)}})
	c := m.Command(t.Context(), "env", "-C", here, self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.failfast")
	c.Env = append(c.Env, within+"=yes", "REQUIRE=all")
	r := RunCommand(t, c)
	t.Logf("in %s:\n%s%s", m.Name, r.Stdout, r.Stderr)
	if r.Code != 0 {
		t.Fail()
	}
	return false
}
