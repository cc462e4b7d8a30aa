package policy_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestSince(t *testing.T) {
	const a, b, c = `permit "a" { when = op == "list" }`, `permit "b" { when = op == "show" }`, "forbid \"c\" {\n  when   = op == \"fork\"\n  reason = \"no\"\n}"
	before := load(t, a, b)
	for want, rules := range map[string][]string{
		"nothing has changed": {b, a},
		`added forbid "c"`:    {a, b, c},
		`removed permit "b"`:  {a},
		`added forbid "c"; removed permit "a"; changed permit "b"`: {c, `permit "b" { when = op == "shell" }`},
	} {
		if got := load(t, rules...).Contents().Since(before.Contents()).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := before.Contents().Since(nil).String(); !strings.HasPrefix(got, `added agent "Claude Code", permit "a", `) {
		t.Errorf("the first one: %q", got)
	}
	var many []string
	for n := range 20 {
		many = append(many, fmt.Sprintf("permit \"n%02d\" { when = op == \"list\" }", n))
	}
	if got := load(t, append(many, a, b)...).Contents().Since(before.Contents()).String(); !strings.HasSuffix(got, `permit "n05" and 14 more`) {
		t.Errorf("many: %q", got)
	}
}
