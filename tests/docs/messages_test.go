package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/tests/need"
)

// What is explained is said somewhere: each piece of a message between "..." is part of a text in the code or in the shipped policy.
func TestMessagesAreTheProgramsOwn(t *testing.T) {
	said := texts(t)
	n := 0
	for i, line := range linesOf(t, "troubleshooting.md") {
		message, ok := strings.CutPrefix(line, "### `")
		if !ok {
			continue
		}
		n++
		if piece, ok := isSaid(said, strings.TrimSuffix(message, "`")); !ok {
			t.Errorf("troubleshooting.md:%d: nothing says %q", i+1, piece)
		}
	}
	if n < 30 {
		t.Errorf("only %d messages found", n)
	}
	for _, never := range []string{"the gate is out for lunch", "... is a grand (production) repository; agents work at home", "..."} {
		if _, ok := isSaid(said, never); ok {
			t.Errorf("%q is said, says this test", never)
		}
	}
}

// isSaid returns the first piece of a message that nothing says.
func isSaid(said []string, message string) (string, bool) {
	some := false
	for piece := range strings.SplitSeq(message, "...") {
		if len(strings.TrimSpace(piece)) < 3 {
			continue // a colon, a word between two names
		}
		some = true
		if !slices.ContainsFunc(said, func(text string) bool { return strings.Contains(text, piece) }) {
			return piece, false
		}
	}
	return message, some
}

var varies = regexp.MustCompile(`%[-+# 0-9.\[\]]*[a-zA-Z]|\$\{[^}]*\}`)

// texts are all texts in the code, and in the shipped policy, cut where something is filled in.
func texts(t *testing.T) (all []string) {
	t.Helper()
	rules, err := filepath.Glob(filepath.Join(need.Checkout(t), "policy.d", "*.hcl"))
	if err != nil || len(rules) == 0 {
		t.Fatalf("the policy has the files %q, %v", rules, err)
	}
	for _, file := range rules {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, varies.Split(string(text), -1)...)
	}
	eachSource(t, func(_ *token.FileSet, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil {
					all = append(all, varies.Split(text, -1)...)
				}
			}
			return true
		})
	})
	return all
}

// eachSource reads the files of Go that no test is made of.
func eachSource(t *testing.T, read func(*token.FileSet, *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(need.Checkout(t), func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "tests", "build", "bin", "doortest"}, d.Name()):
			return filepath.SkipDir
		case !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, file, nil, 0)
		if err == nil {
			read(files, f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The table of exit codes has the codes that there are.
func TestExitCodesAreTheProgramsOwn(t *testing.T) {
	for code, word := range map[int]string{gate.ExitRefused: "refused", gate.ExitFailed: "the gate failed"} {
		row := regexp.MustCompile(`^\| ` + strconv.Itoa(code) + ` \|.*` + word)
		if !slices.ContainsFunc(linesOf(t, "callers.md"), row.MatchString) {
			t.Errorf("callers.md has no row of %d, %s", code, word)
		}
	}
}
