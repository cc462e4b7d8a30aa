package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"forkgate/gate/policy"
	"forkgate/gate/provenance"
	"forkgate/tests/need"
)

// What init prints goes into a gate's policy as it is.
func TestTheBlockLoads(t *testing.T) {
	need.Root(t)
	key := filepath.Join(t.TempDir(), "etc", "attest_key")
	printed := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"init", "--key", key}, args...), strings.NewReader(""), &out, &errs); code != 0 {
			t.Fatalf("init %q: %d, %s", args, code, &errs)
		}
		return out.String()
	}
	const principals = "principal \"alice\" {\n}\nprincipal \"bob\" {\n}\npermit \"list\" {\n  when = op == \"list\"\n}\n"
	block := printed("--name", "Alice's laptop", "--principal", "1000=alice", "--principal", "1001=bob")
	p, err := policy.Load(policy.Text{Name: "init.hcl", Text: []byte(principals + block)})
	if err != nil {
		t.Fatalf("%v\n%s", err, block)
	}
	all := p.Attestors()
	if len(all) != 1 || all[0].Name != "Alice's laptop" || fmt.Sprint(all[0].Principals) != "map[1000:alice 1001:bob]" ||
		fmt.Sprint(all[0].Minimum) != fmt.Sprint(provenance.Protections()) {
		t.Errorf("got %+v of\n%s", all, block)
	}
	// The key stays what it was; of a uid that nobody is at the gate there is a block that speaks for nobody, of which the policy says so.
	if again := printed("--name", "Alice's laptop", "--principal", "1000=alice", "--principal", "1001=bob"); again != block {
		t.Errorf("a second time it prints\n%s\nand the first time\n%s", again, block)
	}
	p, err = policy.Load(policy.Text{Name: "init.hcl", Text: []byte(principals + printed("--principal", "1000=carol"))})
	if err != nil {
		t.Fatal(err)
	}
	noted := slices.ContainsFunc(p.Summary().Notes, func(n policy.Problem) bool { return strings.Contains(n.Detail, `There is no principal "carol"`) })
	if all := p.Attestors(); len(all) != 1 || len(all[0].Principals) != 0 || !noted {
		t.Errorf("got %+v, and the notes %+v", all, p.Summary().Notes)
	}
}
