package warden

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// UPDATE=1 go test writes the golden files.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
	}
}

// populated is a host with forks of alice and bob, and one of the hidden repository.
func populated(t *testing.T) *host {
	h := newHost(t)
	h.start(t)
	demo, _ := h.trees.Find("demo", "")
	secret, _ := h.trees.Find("secret", "")
	h.trees.add(fork.Tree{Repo: "demo", Tag: "hers", Owner: "alice", Parent: demo.GUID})
	h.trees.add(fork.Tree{Repo: "demo", Tag: "his", Owner: "bob", Parent: demo.GUID})
	h.trees.add(fork.Tree{Repo: "secret", Tag: "x", Owner: "alice", Parent: secret.GUID})
	return h
}

func TestTheControlWords(t *testing.T) {
	for name, words := range map[string][]string{
		"help": {"help"}, "help-rm": {"help", "rm"}, "nothing": {}, "whoami": {"whoami"}, "repos": {"repos"}, "forks": {"forks"},
		"forks-demo": {"forks", "demo"}, "fork": {"fork", "demo", "new"}, "fork-fresh": {"fork", "demo"},
		"fork-tag": {"fork", "demo:new"}, "show-grand": {"show", "demo"}, "show-fork": {"show", "demo+his"},
		"rm": {"rm", "demo=his"}, "grants": {"grants"}, "help-approve": {"help", "approve"}, "explain-forbid": {"explain", "shell", "demo"}, "explain-permit": {"explain", "exec", "demo:his"},
		"explain-default": {"explain", "settle", "demo"},
	} {
		for _, asJSON := range []bool{false, true} {
			h := populated(t)
			file := name + ".txt"
			if asJSON {
				file = name + ".json"
			}
			page, err := h.connect(t, "gate", h.bob).Verb(t.Context(), client.VerbRequest{Words: say(words...), JSON: asJSON})
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if asJSON && !json.Valid(page) {
				t.Errorf("%s is no JSON", file)
			}
			golden(t, file, []byte(strings.ReplaceAll(string(page), ssh.FingerprintSHA256(h.bob), "SHA256:BOB")))
		}
	}
}

// Whatever a caller may not see reads as what does not exist: in refusals, and by its absence from lists.
func TestControlWordsHideTheHidden(t *testing.T) {
	h := populated(t)
	c := h.connect(t, "gate", h.alice)
	for _, words := range [][]string{
		{"show", "REPO"}, {"show", "REPO:x"}, {"rm", "REPO:x"}, {"rm", "REPO"}, {"fork", "REPO"}, {"fork", "REPO", "new"}, {"fork", "REPO:x", "new"},
		{"forks", "REPO"}, {"sessions", "REPO"}, {"explain", "shell", "REPO"}, {"explain", "shell", "REPO:x"}, {"explain", "fork", "REPO:new"},
	} {
		var answers []string
		for _, repo := range []string{"secret", "absent"} {
			these := say(words...)
			for i := range these {
				these[i] = []byte(strings.ReplaceAll(string(these[i]), "REPO", repo))
			}
			_, err := c.Verb(t.Context(), client.VerbRequest{Words: these})
			refusal, ok := gate.AsRefusal(err)
			if !ok {
				t.Fatalf("%s of %s: %v", words, repo, err)
			}
			answers = append(answers, strings.ReplaceAll(fmt.Sprint(*refusal), repo, "REPO"))
		}
		if answers[0] != answers[1] {
			t.Errorf("%s: hidden is %q, missing is %q", words, answers[0], answers[1])
		}
	}
	for _, word := range []string{"repos", "forks"} {
		page, err := c.Verb(t.Context(), client.VerbRequest{Words: say(word, "--json")})
		if err != nil || strings.Contains(string(page), "secret") {
			t.Errorf("%s: %s, %v", word, page, err)
		}
	}
	page, err := dial(t, h.operator).OperatorVerb(t.Context(), client.VerbRequest{Words: say("repos")})
	if err != nil || !strings.Contains(string(page), "secret") {
		t.Errorf("control: the operator sees %s, %v", page, err)
	}
}

func TestControlWordsRefuseInWords(t *testing.T) {
	h := populated(t)
	c := h.connect(t, "gate", h.bob)
	for _, refusal := range []struct{ words, reason, hint string }{
		{"shwo demo", `"shwo" is no control word`, "did you mean show? ssh gate@host help lists them all"},
		{"repo create mine", `"repo" is no control word`, "did you mean repos? ssh gate@host help lists them all"},
		{"status", `"status" is no control word`, "ssh gate@host help"},
		{"shwo --help", `"shwo" is no control word`, "did you mean show? ssh gate@host help lists them all"},
		{"help shwo", `"shwo" is no control word`, "did you mean show? ssh gate@host help lists them all"},
		{"show", "show takes 1 word, not 0", "ssh gate@host show REF"},
		{"whoami now", "whoami takes no words, not 1", "ssh gate@host whoami"},
		{"fork demo his", "demo:his exists already", "choose another tag, or leave it out for a made-up one"},
		{"fork demo:hers mine", "demo:hers belongs to alice; no rule permits exec on demo:hers for agent bob", "work in a fork of your own: ssh demo+NAME@host"},
		{"rm demo:hers", "demo:hers belongs to alice; no rule permits remove on demo:hers for agent bob", ""},
		{"rm demo", "no rule permits remove on demo for agent bob", ""},
		{"explain fly demo", `"fly" is no operation`, "operations are " + list(gate.Ops())},
		{"show ../etc", `"../etc" names no repository or fork: a name starts with a-z or 0-9, not '.'`,
			"a repository is NAME, a fork of it NAME+TAG"},
	} {
		_, err := c.Verb(t.Context(), client.VerbRequest{Words: say(strings.Fields(refusal.words)...)})
		got, ok := gate.AsRefusal(err)
		if !ok || got.Reason != refusal.reason || got.Hint != refusal.hint {
			t.Errorf("%s: %+v, %v", refusal.words, got, err)
		}
	}
}

func TestHelpIsAskedForAsElsewhere(t *testing.T) {
	h := populated(t)
	c := h.connect(t, "gate", h.bob)
	page := func(words string) string {
		said, err := c.Verb(t.Context(), client.VerbRequest{Words: say(strings.Fields(words)...)})
		if err != nil {
			t.Errorf("%s: %v", words, err)
		}
		return string(said)
	}
	for _, like := range [][2]string{{"--help", "help"}, {"-h", "help"}, {"show --help", "help show"}, {"settle -h demo", "help settle"}} {
		if page(like[0]) != page(like[1]) {
			t.Errorf("%s says something else than %s", like[0], like[1])
		}
	}
}

func TestTheWordsAreThoseOfTheTable(t *testing.T) {
	var names []string
	for _, v := range gate.Verbs() {
		names = append(names, v.Name)
	}
	if have := slices.Sorted(maps.Keys(words())); !slices.Equal(have, slices.Sorted(slices.Values(names))) {
		t.Errorf("the warden knows %q, the table %q", have, names)
	}
}

func TestRemovingAForkEndsItsPod(t *testing.T) {
	h := populated(t)
	s, err := h.connect(t, "demo+his", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if running, _ := h.pods.Running(t.Context(), ""); len(running) != 1 {
		t.Fatalf("these run: %q", running)
	}
	if _, err := h.connect(t, "gate", h.bob).Verb(t.Context(), client.VerbRequest{Words: say("rm", "demo:his")}); err != nil {
		t.Fatal(err)
	}
	if running, _ := h.pods.Running(t.Context(), ""); len(running) != 0 {
		t.Errorf("these still run: %q", running)
	}
	if !h.log.has("verb bob rm demo:his") || !h.log.has("permit bob remove demo:his") {
		t.Errorf("the log has %q", h.log.all())
	}
}

// What the pool says becomes a refusal in words, with what to do.
func TestAFullPoolIsARefusal(t *testing.T) {
	h := populated(t)
	h.trees.mu.Lock()
	h.trees.fail = fmt.Errorf("cannot fork demo: %w: 3 MiB are left", fork.ErrPoolFull)
	h.trees.mu.Unlock()
	_, err := h.connect(t, "demo+more", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
	refused(t, err, "cannot fork demo: pool full: 3 MiB are left")
}

// The reader of a page need not fear that it changes under him.
func TestAPageIsSealed(t *testing.T) {
	f, err := sealed([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("it can be written")
	}
	if err := f.Truncate(0); err == nil {
		t.Error("it can be truncated")
	}
	if _, err := unix.Mmap(int(f.Fd()), 0, 4, unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
		t.Error("it can be mapped for writing")
	}
}
