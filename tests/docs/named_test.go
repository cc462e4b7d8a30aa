package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"forkgate/tests/need"
)

var named = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]*|redteam: [^`]+|(?:stories|alone|bare|forced)/[a-z]+)`")

// Each test that the threat model leans on is there, and each row but of what nothing holds against names one.
func TestThreatsNameTestsThatAreThere(t *testing.T) {
	have := tests(t)
	for i, line := range linesOf(t, "threat-model.md") {
		found := named.FindAllStringSubmatch(line, -1)
		for _, f := range found {
			if !slices.Contains(have, f[1]) {
				t.Errorf("threat-model.md:%d: there is no %s", i+1, f[1])
			}
		}
		cells := strings.Split(line, "|")
		if row := len(cells) == 6 && !strings.HasPrefix(line, "|---") && !strings.HasPrefix(line, "| it tries"); row && len(found) == 0 && !strings.HasPrefix(cells[2], " nothing: ") {
			t.Errorf("threat-model.md:%d: no test shows %s", i+1, strings.TrimSpace(cells[1]))
		}
	}
	if slices.Contains(have, "TestThatNobodyHasWritten") || !slices.Contains(have, "TestThreatsNameTestsThatAreThere") {
		t.Error("names are not looked up")
	}
}

// linesOf is a document by its lines.
func linesOf(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../packaging/docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// tests are the names of all tests of the repository, of the stories, and of the rows of tests/redteam.
func tests(t *testing.T) (all []string) {
	t.Helper()
	checkout := need.Checkout(t)
	for _, pattern := range []struct{ grep, files, as string }{
		{`^func (Test[A-Za-z0-9_]*)\(`, "*_test.go", "%s"}, {`\bname: +"([^"]*)"`, "tests/redteam/*_test.go", "redteam: %s"},
	} {
		// Files that are about to be committed as well.
		out, err := exec.Command("git", "-C", checkout, "grep", "-hP", "--untracked", pattern.grep, "--", pattern.files).Output()
		if err != nil {
			t.Fatalf("git grep %s: %v", pattern.grep, err)
		}
		for _, found := range regexp.MustCompile(`(?m)`+pattern.grep).FindAllStringSubmatch(string(out), -1) {
			all = append(all, fmt.Sprintf(pattern.as, found[1]))
		}
	}
	stories, err := filepath.Glob(filepath.Join(checkout, "tests/scripts/testdata/*/*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range stories {
		all = append(all, filepath.Base(filepath.Dir(file))+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"))
	}
	if len(all) < 500 || len(stories) < 20 {
		t.Fatalf("only %d tests and %d stories found", len(all), len(stories))
	}
	return all
}
