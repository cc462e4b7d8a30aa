package policy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"forkgate/gate/policy"
)

func TestFormat(t *testing.T) {
	const untidy, tidy = "# why\npermit \"x\" {\nwhen=op==\"fork\"# here\n    limits {\n  pids=64\nmemory   = \"1GiB\"\n}\n}\n",
		"# why\npermit \"x\" {\n  when = op == \"fork\" # here\n  limits {\n    pids   = 64\n    memory = \"1GiB\"\n  }\n}\n"
	got, err := policy.Format(policy.File{Name: "x.hcl", Text: []byte(untidy)})
	if diff := cmp.Diff(tidy, string(got)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, broken := range []string{"permit \"x\" {", "a = \x00", "\xff"} {
		if got, err := policy.Format(policy.File{Name: "x.hcl", Text: []byte(broken)}); err == nil {
			t.Errorf("%q becomes %q", broken, got)
		}
	}
}

// The corpus and the shipped policy are laid out as the formatter has it, and what it makes of anything it leaves alone.
func TestFormatIsStable(t *testing.T) {
	for _, pattern := range []string{"testdata/good/*.hcl", "testdata/common.hcl", "../../policy.d/*.hcl"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := policy.Format(policy.File{Name: path, Text: text})
			if diff := cmp.Diff(string(text), string(got)); diff != "" || err != nil {
				t.Errorf("%s: %v\n%s", path, err, diff)
			}
		}
	}
}
