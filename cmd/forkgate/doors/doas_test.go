package doors

import (
	"strings"
	"testing"
)

func TestPermitted(t *testing.T) {
	for rule, want := range map[string]string{
		"permit root": "root", "permit nopass keepenv :forkgate-admin as root": ":forkgate-admin", "permit setenv { A=root -B } persist mallory as root": "mallory",
		"permit setenv {A=root} mallory": "mallory", "permit setenv { A root": "", "permit nopass": "", "permit": "", "allow root": "", `permit "mallory" as root`: "",
		"permit setenv {A}root mallory": "",
	} {
		if got := permitted(strings.Fields(rule)); got != want {
			t.Errorf("%s: %q, want %q", rule, got, want)
		}
	}
}
