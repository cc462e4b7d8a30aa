package warden

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"forkgate/fork"
	"forkgate/fork/changes"
	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
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
		{"diff", "diff takes 1 to 3 words"},
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

// With --patch texts are shown, as copies of both have them; to whom may run commands in both, and of forks that are settled.
func TestPatch(t *testing.T) {
	h := newHost(t)
	h.text = strings.Replace(h.text, `"remove", "extend"]`, `"remove", "extend", "diff"]`, 1) +
		"permit \"grand\" {\n  when = op == \"diff\" && target.repo == \"demo\"\n}\nforbid \"unread\" {\n  when = op == \"exec\" && target.tag == \"his\"\n  reason = \"his is not read\"\n}\n" +
		"permit \"taped\" {\n  when = op == \"exec\" && target.tag == \"taped\"\n  record = \"required\"\n}\n"
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	contents := map[string][2]string{ // before, after; "!" and a word: that is what is there
		"app.py": {"one\ntwo\n\x1b[31mthree\tx\n", "one\n2\n\x1b[31mthree\tx\n"}, "new": {"!none", "\u009bhello"}, "moved": {"same\n", "same\n"}, "name": {"a\n", "!none"}, "new name": {"!none", "b\n"},
		"mode": {"same\n", "same\n"}, "nothing": {"!none", ""}, "x": {"gone\n", "a lie\n"}, "dir": {"!none", "!none"}, "link": {"!none", "!none"},
		"bin": {"!binary", "text"}, "long": {"x", "!long"}, "last": {"a\n", "!enough"}, "behind": {"a\n", "b\n"},
	}
	var mu sync.Mutex
	asked := map[string][]string{}
	h.pods.starting = func(unit string) error {
		spec, err := nsjail.ReadSpec(h.Warden.pods.runDir, guidOf(unit))
		if err != nil || len(spec.Scrub) == 0 {
			return err
		}
		copied, _ := h.trees.Get(spec.GUID)
		parent, _ := h.trees.Get(copied.Parent)
		step := wire.ScrubStep{Name: spec.Scrub[0].Name}
		mu.Lock()
		defer mu.Unlock()
		for _, name := range spec.Scrub[0].Read {
			asked[parent.Ref()] = append(asked[parent.Ref()], string(name))
			now := strings.TrimPrefix(string(name), "old/")
			says := contents[now][0]
			if parent.Tag == "mine" {
				says = contents[now][1]
			}
			if why, is := strings.CutPrefix(says, "!"); is {
				step.Texts = append(step.Texts, wire.Text{Is: why})
			} else {
				step.Texts = append(step.Texts, wire.Text{Is: wire.Plain, Text: []byte(says)})
			}
		}
		return nsjail.WriteScrubbed(h.Warden.pods.runDir, spec.GUID, wire.Scrubbed{Steps: []wire.ScrubStep{{Name: "docker state"}, step}})
	}
	h.start(t)
	demo, _ := h.trees.Find("demo", "")
	for _, name := range []string{"mine", "too", "taped"} {
		h.trees.add(fork.Tree{Repo: "demo", Tag: name, Owner: "alice", Parent: demo.GUID, Settled: true})
	}
	h.trees.add(fork.Tree{Repo: "demo", Tag: "raw", Owner: "alice", Parent: demo.GUID})
	h.trees.add(fork.Tree{Repo: "demo", Tag: "his", Owner: "bob", Parent: demo.GUID, Settled: true})
	h.trees.mu.Lock()
	h.trees.differ = []changes.Change{
		{How: changes.Changed, Kind: changes.File, Path: "app.py"}, {How: changes.Changed, Kind: changes.File, Path: "bin"}, {How: changes.Added, Kind: changes.Directory, Path: "dir"},
		{How: changes.Added, Kind: changes.Link, Path: "link"}, {How: changes.Changed, Path: "long"}, {How: changes.Moved, Path: "moved", From: "old/moved"},
		{How: changes.Changed, Path: "mode"}, {How: changes.Added, Kind: changes.File, Path: "nothing"}, {How: changes.Added, Path: "new"},
		{How: changes.Moved, Path: "new name", From: "old/name", Also: true}, {How: changes.Removed, Kind: changes.File, Path: "x"},
		{How: changes.Changed, Path: "last"}, {How: changes.Changed, Path: "behind"},
	}
	h.trees.mu.Unlock()
	says := func(words string) string {
		out, err := h.connect(t, "gate", h.alice).Verb(t.Context(), client.VerbRequest{Words: say(strings.Fields(words)...)})
		if err != nil {
			return err.Error()
		}
		return string(out)
	}
	const want = "what is not printable in app.py is shown as escapes:\n--- a/app.py\n+++ b/app.py\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n \\x1b[31mthree\tx\n" +
		"M bin (no text)\nA dir/\nA link\nM long (too long to be shown)\nR old/moved -> moved\nM mode\nA nothing (empty)\n" +
		"what is not printable in new is shown as escapes:\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+\\u009bhello\n\\ No newline at end of file\n" +
		"diff --git a/old/name b/new name\nrename from old/name\nrename to new name\n--- a/old/name\n+++ b/new name\t\n@@ -1 +1 @@\n-a\n+b\n" +
		"--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n" +
		"and 2 more, which are not shown: diff ./PATH shows what is there\ndemo:too to demo:mine: 4 added, 6 changed, 2 moved, 1 removed\n"
	if got := says("diff demo:too demo:mine --patch"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !slices.Contains(asked["demo:too"], "old/moved") || !slices.Contains(asked["demo:mine"], "moved") {
		t.Errorf("asked for %q", asked)
	}
	var d difference
	if err := json.Unmarshal([]byte(says("diff demo:too demo:mine --patch --json")), &d); err != nil || len(d.Patches) != 11 || d.Patches[1].Not != wire.Binary || d.Unread != 2 || len(d.Changes) != 0 {
		t.Errorf("got %+v, %v", d, err)
	}
	for _, test := range []struct{ words, want string }{
		{"diff demo:mine demo:his", "4 added"}, {"diff demo:mine demo:his --patch", "his is not read"}, {"diff demo:his demo:mine --patch", "his is not read"},
		{"diff demo:mine demo:raw --patch", "demo:raw is not settled"}, {"diff demo:mine demo:taped --patch", "what somebody reads in demo:taped is to be recorded"},
		{"diff demo:mine --patch --stat", "not both"},
		{"diff demo:mine demo:too demo:raw", "is no path"},
		{"diff ./app.py", "before the path"},
		{"diff demo:mine ./dir", "demo to demo:mine, in dir: 1 added\n"},
		{"diff demo:mine old/moved", "R old/moved -> moved\ndemo to demo:mine, in old/moved: 1 moved\n"},
		{"diff demo:mine ./di", "no difference"},
		{"diff demo:mine /", "4 added, 6 changed, 2 moved, 1 removed"},
		{"diff demo:too demo:mine --patch ./none", "demo:too to demo:mine, in none: no difference\n"},
	} {
		if got := says(test.words); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.words, got, test.want)
		}
	}
	for _, f := range h.trees.Forks("demo") {
		if strings.HasPrefix(f.Tag, "diff-") {
			t.Errorf("%s is left", f.Ref())
		}
	}
}
