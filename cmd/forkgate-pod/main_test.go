package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"forkgate/tests/need"
)

// TestMain lets the test binary be the program.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_POD_MAIN") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestRefuses(t *testing.T) {
	need.Root(t)
	for want, args := range map[string][]string{
		"usage:":                        {},
		"usage: ":                       {"dance", "0"},
		"cannot read the spec of pod 0": {"run", "0"},
	} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestNotRoot(t *testing.T) {
	need.Root(t) // to put it off
	c := exec.Command("/proc/self/exe", "run", "0")
	c.Env = []string{"TEST_POD_MAIN=1"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "built by root") {
		t.Errorf("%v: %s", err, out)
	}
}
