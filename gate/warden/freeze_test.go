package warden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/fork"
	"forkgate/gate/warden/client"
)

// freezing is a host on which owners freeze their forks, and name them, but not as releases are named.
func freezing(t *testing.T) (h *host, mine fork.Tree, says func(words string) string) {
	t.Helper()
	h = newHost(t)
	h.text = strings.Replace(h.text, `"remove", "extend"]`, `"remove", "extend", "freeze", "tag"]`, 1) +
		"forbid \"releases\" {\n  when = op == \"tag\" && startswith(target.tag, \"release\")\n  reason = \"no release\"\n}\n"
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	demo, _ := h.trees.Find("demo", "")
	mine = h.trees.add(fork.Tree{Repo: "demo", Tag: "mine", Owner: "alice", Parent: demo.GUID, Limits: fork.Limits{TTL: 3600}, Expires: time.Now().Add(time.Hour)})
	h.trees.add(fork.Tree{Repo: "demo", Tag: "his", Owner: "bob", Parent: demo.GUID})
	return h, mine, func(words string) string {
		out, err := h.connect(t, "gate", h.alice).Verb(t.Context(), client.VerbRequest{Words: say(strings.Fields(words)...)})
		if err != nil {
			return err.Error()
		}
		return string(out)
	}
}

// A frozen fork is entered, removed, extended, renamed and collected by nobody, and forked by who may.
func TestFrozen(t *testing.T) {
	h, mine, says := freezing(t)
	_ = h.pods.Start(t.Context(), unitOf(mine.GUID))
	for _, test := range []struct{ words, want string }{
		{"freeze demo:mine", "demo:mine is frozen: it stays as it is until it is thawed\n"},
		{"freeze demo:mine", "demo:mine is frozen: it stays as it is until it is thawed\n"}, // it may have been by half
		{"rm demo:mine", "demo:mine is frozen since "},
		{"extend demo:mine", "demo:mine is frozen since "},
		{"tag demo:mine other", "demo:mine is demo:other now\n"}, {"tag demo:other mine", "demo:other is demo:mine now\n"},
		{"forks demo", "frozen"},
		{"show demo:mine", "frozen       since "},
		{"freeze demo", "no rule permits freeze"},
		{"freeze demo:his", "no rule permits freeze"},
		{"thaw demo:his", "no rule permits freeze"},
		{"freeze secret", "secret does not exist"},
		{"fork demo:mine child", "demo:child is made of demo:mine"},
	} {
		if got := says(test.words); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.words, got, test.want)
		}
	}
	if running, _ := h.Warden.pods.Running(t.Context()); len(running) != 0 {
		t.Errorf("it runs: %q", running)
	}
	_, err := h.connect(t, "demo+mine", h.alice).Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("id")})
	if err == nil || !strings.Contains(err.Error(), "demo:mine is frozen since ") {
		t.Errorf("entered it says %v", err)
	}
	if err := h.Warden.pods.wake(t.Context(), mine.GUID); err == nil || !strings.Contains(err.Error(), "frozen") {
		t.Errorf("started it says %v", err)
	}
	c := newCollector(h.Warden)
	if c.look(t.Context(), time.Now().Add(1000*time.Hour)); !h.there("demo:mine") {
		t.Error("its time was over")
	}
	for _, test := range []struct{ words, want string }{
		{"thaw demo:mine", "demo:mine can be used again\n"},
		{"thaw demo:mine", "demo:mine is not frozen"},
		{"rm demo:mine", "is removed"},
	} {
		if got := says(test.words); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.words, got, test.want)
		}
	}
}

// Nobody freezes or renames a fork in which somebody is.
func TestNobodyIsFrozen(t *testing.T) {
	h, mine, says := freezing(t)
	s := h.sit(t, "demo+mine", h.alice)
	for _, words := range []string{"freeze demo:mine", "tag demo:mine other"} {
		if got := says(words); !strings.Contains(got, "somebody is in demo:mine") {
			t.Errorf("%s: %q", words, got)
		}
	}
	h.pods.die(s.id)
	h.book().look(h.pods.lives)
	unlock := h.Warden.pods.lock(mine.GUID)
	if got := says("freeze demo:mine"); !strings.Contains(got, "is being started, entered or stopped") {
		t.Errorf("while it is started: %q", got)
	}
	unlock()
	if got := says("freeze demo:mine"); !strings.Contains(got, "is frozen: ") {
		t.Errorf("control: %q", got)
	}
}

// Policy is asked about both names, and a name that is taken stays its owner's.
func TestTag(t *testing.T) {
	h, mine, says := freezing(t)
	for _, test := range []struct{ words, want string }{
		{"tag demo:mine his", "demo:his exists already"},
		{"tag demo:mine mine", "demo:mine exists already"},
		{"tag demo:mine release-1", "no release"},
		{"tag demo:mine ../x", "name"},
		{"tag demo:his other", "no rule permits tag"},
		{"tag demo other", "no rule permits tag"},
		{"tag demo:mine", "tag takes 2 words"},
		{"tag demo:mine other", "demo:mine is demo:other now\n"},
		{"show demo:mine", "does not exist"},
		{"show demo:other", mine.GUID},
	} {
		if got := says(test.words); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.words, got, test.want)
		}
	}
	if !h.there("demo:his") || !h.there("demo:other") {
		t.Error("one is gone")
	}
}

// A fork goes for its time while its pod, which has hooks, is about to be started: neither waits for the other.
func TestStartAndCollectionWaitInOrder(t *testing.T) {
	h, c, made := expiring(t, false)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Rediaccfile"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.trees.data = dir
	p := h.Warden.pods
	unlock := p.lock(made.GUID) // another start, or an end
	started, collected := make(chan error, 1), make(chan bool, 1)
	go func() { started <- p.wake(t.Context(), made.GUID) }()
	time.Sleep(20 * time.Millisecond)
	go func() { c.look(t.Context(), made.Expires); collected <- true }()
	time.Sleep(20 * time.Millisecond)
	unlock()
	for n := range 2 {
		select {
		case <-started:
		case <-collected:
		case <-time.After(10 * time.Second):
			t.Fatalf("only %d of two come back", n)
		}
	}
}
