package policy_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"forkgate/gate/policy"
)

var update = flag.Bool("update", false, "write what the corpus says into testdata")

func readFile(t testing.TB, name string) policy.Text {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return policy.Text{Name: filepath.Base(name), Text: text}
}

// TestCorpus loads each policy of testdata and compares the whole text of what is wrong with it.
func TestCorpus(t *testing.T) {
	paths, err := filepath.Glob("testdata/*/*.hcl")
	if err != nil || len(paths) < 15 {
		t.Fatalf("%d policies, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimPrefix(path, "testdata/")
		t.Run(name, func(t *testing.T) {
			p, err := policy.Load(readFile(t, "common.hcl"), readFile(t, name))
			bad := strings.HasPrefix(name, "bad/")
			if bad != (err != nil) || bad != (p == nil) {
				t.Fatalf("policy %v, error %v", p, err)
			}
			var got string
			if bad {
				got = err.Error() + "\n"
				checkProblems(t, err)
			} else {
				got = p.Summary().String() + "\n"
				for _, note := range p.Summary().Notes {
					got += fmt.Sprintf("%s:%d:%d %s: %s\n", note.File, note.Line, note.Column, note.Summary, note.Detail)
				}
			}
			golden := strings.TrimSuffix(path, ".hcl") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, []byte(got)) {
				t.Errorf("(-want +got)\n%s", cmp.Diff(string(want), got))
			}
		})
	}
}

// checkProblems asserts what holds for each complaint: a place, one sentence after the other, and no repetition.
func checkProblems(t *testing.T, err error) {
	t.Helper()
	var load *policy.LoadError
	if !errors.As(err, &load) {
		t.Fatalf("%T is no *LoadError", err)
	}
	seen := map[policy.Problem]bool{}
	for _, p := range load.Problems() {
		if p.File == "" || p.Line < 1 || p.Column < 1 || p.Summary == "" || p.Detail == "" {
			t.Errorf("incomplete: %+v", p)
		}
		if seen[p] {
			t.Errorf("twice: %+v", p)
		}
		seen[p] = true
	}
}
