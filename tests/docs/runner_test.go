package docs

import (
	"os/exec"
	"strings"
	"testing"

	"forkgate/tests/machine"
)

// What is written so that nobody runs it, or runs it as somebody else, is no document.
func TestWhatIsNotRunIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"```\nls\n```":                                 "a block of",
		"```sh\nls\n```":                               "a block of",
		"```console\n$ ls\n```":                        "who types this",
		"```console nobody\n$ ls\n```":                 "who types this",
		"```console person\n# ls\n```":                 "a command after",
		"```console host\n$ ls\n```":                   "a command after",
		"```console host\nls\n```":                     "a command after",
		"```console host\n```":                         "nothing is typed",
		"```text\n$ ls\n```":                           "that is a command",
		"```text\nforkgate status\n```":                "that is a command",
		"text\n\n    forkgate status\n":                "an indented block",
		"```console elsewhere\n$ ls\n```":              "who types this",
		"```console elsewhere TestX\nls\n```":          "a command after",
		"```console elsewhere TestX\n$ ls\nx\n```":     "compared by nobody",
		"```text\nx\n":                                 "never closed",
		"  ```text\nx\n  ```":                          "a fence that is not one",
		"```console host # later\n# ls\n```":           "who types this",
		"```text\nx\n```\n```console\n# true\n```":     "who types this",
		"```console host\n# true\n```\n~\n```\nx\n```": "a block of",
	} {
		if _, err := read("x.md", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, and not %q", text, err, want)
		}
	}
}

func TestCommandsAreRead(t *testing.T) {
	d, err := read("x.md", "one\n```console agent\n$ cat <<E\n> a\n> E\nshown\n$ false\nwhy\n[exit code 254]\n$ true\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	got := d.blocks[0].commands
	want := []command{
		{who: "agent", text: "cat <<E\na\nE", line: 2, first: 5, end: 6},
		{who: "agent", text: "false", line: 6, first: 7, end: 8, code: 254},
		{who: "agent", text: "true", line: 9, first: 10, end: 10},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}

func TestOutputIsCompared(t *testing.T) {
	lines := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == '|' }) }
	for _, c := range []struct {
		shown, seen string
		want        bool
	}{
		{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"a", "", false}, {"", "a", false}, {"a", "a|b", false}, {"a|b", "a", false},
		{"...", "", true}, {"...", "a|b", true}, {"...|b", "a|b", true}, {"...|b", "a|c", false}, {"a ... c", "a b c", true}, {"a ... c", "a b d", false},
		{"a.c", "abc", false}, {"a (1.5 ms)", "a (20 ms)", true}, {"a (1.5 ms)", "a (20 m)", false}, {"a   b", "a b", true}, {"ab", "a b", false},
		{"2026-11-26T04:23:22Z x", "2027-01-02T00:00:00Z x", true}, {"88c9ec39-4727-4aa8-8a10-a54dd0419406", "12345678-4727-4aa8-8a10-a54dd0419406", true},
		{"session ddsgxc5a3x3c", "session aaaaaaaaaaaa", true}, {"session ddsgxc5a3x3c", "session aaaa", false}, {"exit 1", "exit 2", false},
	} {
		if got := matches(lines(c.shown), lines(c.seen)); got != c.want {
			t.Errorf("%q shown, %q seen: %v", c.shown, c.seen, got)
		}
	}
}

// A command that prints or ends in another way than a document says is told of.
func TestCommandsAreJudged(t *testing.T) {
	run := func(c command) machine.Result { return machine.RunCommand(t, exec.Command("sh", "-c", c.text)) }
	for text, wrong := range map[string]bool{
		"$ echo a\na": false, "$ echo a\nb": true, "$ echo a": true, "$ true": false, "$ false": true, "$ false\n[exit code 1]": false,
		"$ false\n[exit code 2]": true, "$ true\n[exit code 1]": true, "$ echo a; echo b >&2\na\nb": false, "$ echo a; echo b >&2\na": true, "$ :\na": true,
	} {
		d, err := read("x.md", "```console person\n"+text+"\n```\n")
		if err != nil {
			t.Fatal(err)
		}
		c := d.blocks[0].commands[0]
		if got := d.wrong(c, run(c)); (got != "") != wrong {
			t.Errorf("%q: %q", text, got)
		}
		d.update(c, run(c))
		again, err := read("x.md", strings.Join(d.lines, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if c := again.blocks[0].commands[0]; again.wrong(c, run(c)) != "" {
			t.Errorf("%q brought up to date is %q", text, again.lines)
		}
	}
}
