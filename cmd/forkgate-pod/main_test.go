package main

import (
	"os"
	"strings"
	"testing"

	"forkgate/tests/need"
)

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
	if os.Geteuid() == 0 {
		return // TestRefuses is root's
	}
	if err := run([]string{"run", "0"}); err == nil || !strings.Contains(err.Error(), "built by root") {
		t.Errorf("%v", err)
	}
}
