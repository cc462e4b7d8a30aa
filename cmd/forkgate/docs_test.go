package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/policy"
	"forkgate/tests/need"
)

// Each command has a manual page, the policy one that names all that it can be written with, and each shell its completion.
func TestDocs(t *testing.T) {
	dir := t.TempDir()
	root := commands()
	root.SetArgs([]string{"docs", dir})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, v := range gate.Verbs() {
		if page := "man1/forkgate-" + v.Name + ".1"; v.Name != "help" && !strings.Contains(read(page), ".SH NAME") {
			t.Errorf("%s is no manual page", page)
		}
	}
	if page := strings.ReplaceAll(read("man1/forkgate.1"), `\-`, "-"); !strings.Contains(page, "254 refused") || !strings.Contains(page, "255 the gate failed") || !strings.Contains(page, "1 nobody was asked") {
		t.Errorf("the manual page has no exit codes:\n%s", page)
	}
	page := strings.ReplaceAll(read("man5/forkgate-policy.5"), `\-`, "-")
	for _, block := range policy.NewReference().Blocks {
		for _, f := range block.Fields {
			if !strings.Contains(page, f.Name) {
				t.Errorf("the page of policy lacks %s of %s", f.Name, block.Type)
			}
		}
	}
	for _, completion := range []string{"forkgate", "_forkgate", "forkgate.fish"} {
		if !strings.Contains(read("completions/"+completion), "forkgate") {
			t.Errorf("%s completes nothing", completion)
		}
	}
	need.Tools(t, "bash")
	out, err := exec.Command("bash", "-ec", `source "$0"; complete -p forkgate`, filepath.Join(dir, "completions/forkgate")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "__start_forkgate") {
		t.Errorf("bash takes no completion of that: %v\n%s", err, out)
	}
}
