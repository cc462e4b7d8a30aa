package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"forkgate/tests/need"
)

// ci is what runs on each change, and what make test is typed by.
const ci = ".ci/run"

// What this test does not type another one does: it is there, and has the command.
func TestWhatIsTypedElsewhereIs(t *testing.T) {
	texts := make(map[string][]string) // by the name of a test
	linesOf := func(test string) []string {
		if texts[test] == nil {
			texts[test] = linesBehind(t, test)
		}
		return texts[test]
	}
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			var lines []string
			for _, test := range b.elsewhere {
				found := linesOf(test)
				if len(found) == 0 {
					t.Errorf("%s:%d: there is no %s", d.name, b.first, test)
				}
				lines = append(lines, found...)
			}
			for _, c := range b.commands {
				if len(b.elsewhere) > 0 && !slices.ContainsFunc(lines, essence(c.text).MatchString) {
					t.Errorf("%s:%d: %s do not type %s: %s is nowhere", d.name, c.line+1, strings.Join(b.elsewhere, ", "), c.text, essence(c.text))
				}
			}
		}
	}
	if len(linesOf("TestThatNobodyHasWritten"))+len(linesOf("stories/nothing"))+len(linesOf("Makefile")) > 0 {
		t.Error("names are not looked up")
	}
}

func TestEssence(t *testing.T) {
	for _, c := range []struct {
		command, line string
		want          bool
	}{
		{"make demo      # everything", `make("demo")`, true}, {"make demo", `make("demolish")`, false}, {"make demo", "demo make", false}, {"make demo", "make demo/x", false},
		{"a init --user 1000=alice", `"a", "init", "--user", "7001=alice"`, true}, {"a init --user 1000=alice", `"a", "init", "--group", "x"`, false},
		{"a ./b_*.deb", "a /opt/b_*.deb", true}, {"a ./b_*.deb", "a /opt/c_*.deb", false}, {"A=1 b <f >~/g", "A=2 b", true}, {"A=1 b", "b", false}, {"ssh -N x@y 'a -b'", "ssh -N z a -b", true}, {"a\nb", "a; b", true}, {"/root/x", "/root/x", false},
	} {
		if got := essence(c.command).MatchString(c.line); got != c.want {
			t.Errorf("%q is said by %q: %v", c.command, c.line, got)
		}
	}
}

// word is what a command is whoever types it and wherever: programs, their commands and their flags, names of variables, and files by pattern.
var word = regexp.MustCompile(`^'?(?:\./)?(?:([a-z-][a-z0-9_.*+-]*|-[A-Za-z]+)[;']*$|([A-Z][A-Z0-9_]*)=)`)

// essence finds a command in a line: its words in their order, whatever is between them. What readers put in its places does not count: values of flags
// and variables, addresses, and files that something is read from or written to.
func essence(command string) *regexp.Regexp {
	command, _, _ = strings.Cut(command, " # ")
	var parts []string
	value := false
	for _, w := range strings.Fields(command) {
		found := word.FindStringSubmatch(w)
		if found != nil && !value {
			parts = append(parts, regexp.QuoteMeta(found[1]+found[2]))
		}
		value = strings.HasPrefix(w, "--") && !strings.Contains(w, "=")
	}
	if len(parts) == 0 {
		return regexp.MustCompile(`$.`) // of which nothing is left is said by nobody
	}
	return regexp.MustCompile(`(?:^|[^a-z0-9-])` + strings.Join(parts, `(?:[^a-z0-9/-]|[^a-z0-9/-].*[^a-z0-9-])`) + `(?:$|[^a-z0-9/-])`)
}

// linesBehind are the lines of what a test is made of: its package with what lies below testdata, and the packages of tests that it uses; a story is a file.
func linesBehind(t *testing.T, test string) (lines []string) {
	t.Helper()
	checkout := need.Checkout(t)
	files := []string{filepath.Join(checkout, "tests/scripts/testdata", test+".txtar")}
	switch {
	case test == ci:
		files = []string{filepath.Join(checkout, ci)}
	case strings.HasPrefix(test, "Test"):
		files = nil
		out, _ := exec.Command("git", "-C", checkout, "grep", "-lE", "--untracked", "^func "+test+`\(`, "--", "*_test.go").Output() // it fails where there is none
		for file := range strings.FieldsSeq(string(out)) {
			files = append(files, filesOf(t, checkout, filepath.Dir(file))...)
		}
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			lines = append(lines, strings.Split(comment.ReplaceAllString(string(text), ""), "\n")...)
		}
	}
	return lines
}

// comment is a line that says something and does nothing, in Go, in scripts and in stories.
var comment = regexp.MustCompile(`(?m)^\s*(//|#).*$`)

var uses = regexp.MustCompile(`"forkgate/(tests/[a-z/]+)"`)

// filesOf are the files of a package of tests, and those of the packages of tests that it imports.
func filesOf(t *testing.T, checkout, dir string) (files []string) {
	t.Helper()
	for _, pattern := range []string{"*", "testdata/*", "testdata/*/*"} {
		found, err := filepath.Glob(filepath.Join(checkout, dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, file := range slices.Clone(files) {
		if text, err := os.ReadFile(file); err == nil && strings.HasSuffix(file, ".go") {
			for _, used := range uses.FindAllStringSubmatch(string(text), -1) {
				more, _ := filepath.Glob(filepath.Join(checkout, used[1], "*"))
				files = append(files, more...)
			}
		}
	}
	return files
}
