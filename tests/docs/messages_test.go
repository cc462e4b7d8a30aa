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

// What is explained is said somewhere: each piece of a message between "..." is part of a text in the code, in the shipped policy or in what the packages run.
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

// What people looked up there and did not find stays there.
func TestMessagesThatPeopleLookUp(t *testing.T) {
	explained := func(message string) bool {
		return slices.ContainsFunc(headingsOf(t), func(heading string) bool { return strings.Contains(heading, message) })
	}
	for _, message := range []string{
		"permits no terminal", "permits no forwarding", "agent forwarding is refused", "nobody can tell who would be left", "nothing waits to be confirmed",
		"other doors of this host are closed", "setup is not finished", "the project cannot be adopted as it is", "unusable source", "is no principal", "is not valid now",
		"is to follow already", "no rule permits",
	} {
		if !explained(message) {
			t.Errorf("%q is nowhere in troubleshooting.md", message)
		}
	}
	if explained("the gate is out for lunch") {
		t.Error("what nobody says is explained: this test proves nothing")
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

// texts are all texts in the code, in the shipped policy and in what the packages run, cut where something is filled in.
func texts(t *testing.T) (all []string) {
	t.Helper()
	for _, kind := range []string{"policy.d/*.hcl", "packaging/deb/*.p*rm"} {
		files, err := filepath.Glob(filepath.Join(need.Checkout(t), kind))
		if err != nil || len(files) == 0 {
			t.Fatalf("there are %q of %s, %v", files, kind, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, varies.Split(string(text), -1)...)
		}
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
