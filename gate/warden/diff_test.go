package warden

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"forkgate/fork"
	"forkgate/fork/changes"
	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// What differs is told by name, escaped; who may see only one of the two hears nothing.
func TestDiff(t *testing.T) {
	h := newHost(t)
	h.text = strings.Replace(h.text, `"remove", "extend"]`, `"remove", "extend", "diff"]`, 1) +
		"permit \"grand\" {\n  when = op == \"diff\" && target.grand && target.repo == \"demo\"\n}\n"
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	demo, _ := h.trees.Find("demo", "")
	h.trees.add(fork.Tree{Repo: "demo", Tag: "mine", Owner: "alice", Parent: demo.GUID})
	h.trees.add(fork.Tree{Repo: "demo", Tag: "his", Owner: "bob", Parent: demo.GUID})
	h.trees.add(fork.Tree{Repo: "demo", Tag: "orphan", Owner: "alice", Parent: "gone"})
	set := func(all []changes.Change) { h.trees.mu.Lock(); h.trees.differ = all; h.trees.mu.Unlock() }
	set([]changes.Change{
		{How: changes.Added, Kind: changes.Directory, Path: "dir"}, {How: changes.Moved, Path: "dir/b", From: "a", Also: true}, {How: changes.Removed, Path: "x\x1b[31m\ny"}, {How: changes.Changed, Kind: changes.File, Path: "dir/c"},
	})
	says := func(words ...string) string {
		out, err := h.connect(t, "gate", h.alice).Verb(t.Context(), client.VerbRequest{Words: say(words...)})
		if err != nil {
			return err.Error()
		}
		return string(out)
	}
	for _, test := range []struct{ words, want string }{
		{"diff demo:mine", "A dir/\nR a -> dir/b (changed)\nD x\\x1b[31m\\ny\nM dir/c\ndemo to demo:mine: 1 added, 1 changed, 1 moved, 1 removed\n"},
		{"diff demo demo:mine", "demo to demo:mine: 1 added"},
		{"diff demo:mine demo:mine", "no difference"},
		{"diff demo", "is no fork of anything"},
		{"diff demo:orphan", "is not there any more"},
		{"diff demo:mine demo:his", "no rule permits diff"},
		{"diff demo:his", "no rule permits diff"},
		{"diff secret demo:mine", "secret does not exist"},
		{"diff demo:mine secret", "secret does not exist"},
		{"diff demo:mine --stat", "dir  1 added, 1 changed, 1 moved"},
		{"diff demo:mine --text", "diff has no \"--text\""},
		{"diff", "diff takes 1 to 2 words"},
	} {
		if got := says(strings.Fields(test.words)...); !strings.Contains(got, test.want) || strings.Contains(got, "\x1b") {
			t.Errorf("%s: %q, want %q", test.words, got, test.want)
		}
	}
	var d difference
	if err := json.Unmarshal([]byte(says("diff", "demo:mine", "--json")), &d); err != nil || d.Counts[changes.Moved] != 1 || d.Changes[1].From != "a" || d.Changes[2].Path != gate.Exact("x\x1b[31m\ny") {
		t.Errorf("got %+v, %v", d, err)
	}
	var many []changes.Change
	for i := range maxChanges + 7 {
		many = append(many, changes.Change{How: changes.Added, Path: fmt.Sprint("f", i)})
	}
	set(many)
	if got := says("diff", "demo:mine"); !strings.Contains(got, "and 7 more") || !strings.Contains(got, "10007 added") {
		t.Errorf("many: %.200q", got[len(got)-200:])
	}
	set([]changes.Change{{How: changes.Added, Path: strings.Repeat("x", 2<<20)}})
	if got := says("diff", "demo:mine"); !strings.Contains(got, "and 1 more") || len(got) > 1000 {
		t.Errorf("a long one: %d bytes", len(got))
	}
	many = nil
	for i := range maxDirectories + 3 {
		many = append(many, changes.Change{How: changes.Added, Kind: changes.File, Path: fmt.Sprintf("d%d/f", i)})
	}
	set(many)
	if got := says("diff", "demo:mine", "--stat"); !strings.HasSuffix(got, "\nand 3 directories more\ndemo to demo:mine: 503 added\n") {
		t.Errorf("many directories: %.200q", got[len(got)-200:])
	}
	h.trees.mu.Lock()
	h.trees.differErr = changes.ErrMany
	h.trees.mu.Unlock()
	if got := says("diff", "demo:mine"); !strings.Contains(got, "more differs between demo and demo:mine than can be told") {
		t.Errorf("too many: %q", got)
	}
}
