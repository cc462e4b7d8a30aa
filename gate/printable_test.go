package gate_test

import (
	"testing"

	"forkgate/gate"
)

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"1 fork": gate.Count(1, "fork"), "2 forks": gate.Count(2, "fork"), "0 repositories": gate.Count(0, "repository"),
		"1 authority": gate.Count(1, "authority"), "3 security keys": gate.Count(3, "security key"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
