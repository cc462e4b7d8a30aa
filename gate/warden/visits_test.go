package warden

import (
	"errors"
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// failing is a shelf on a disk that is full.
type failing struct{ *paper }

func (failing) Put(string, []byte) error { return errors.New("no space left") }

// Where an agent has been is known before it is in, and to the next warden too, until what it was in is removed.
func TestWhereAgentsHaveBeen(t *testing.T) {
	h := newHost(t)
	shelf := newPaper()
	var err error
	if h.Warden.pods.visits, err = openVisits(shelf); err != nil {
		t.Fatal(err)
	}
	h.gates[door].Forks = forks{h.trees, h.Warden.pods.visits}
	h.start(t)
	guid := func(tag string) string { f, _ := h.trees.Find("demo", tag); return f.GUID }
	enter := func(marks ...string) *client.Session {
		s, err := h.connect(t, "demo+hers", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell", Marks: say(marks...), AgentForward: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		return s
	}
	if s := enter(); shelf.all()[guid("hers")] != nil || s.Agent != nil || !strings.Contains(s.Said, "no rule permits agent-forward") {
		t.Errorf("a person has entered: %q, and is told %q", shelf.all(), s.Said)
	}
	enter("CLAUDECODE=1")
	if !strings.Contains(string(shelf.all()[guid("hers")]), `"principal":"alice","agent":"Claude Code"`) {
		t.Errorf("an agent has entered: %q", shelf.all())
	}
	again, err := openVisits(shelf)
	if err != nil || !again.entered(guid("hers")) || again.entered(guid("")) {
		t.Errorf("the next warden knows of %+v, %v", again, err)
	}
	if target, _, _ := h.gates[door].Forks.Find(t.Context(), "demo", "hers"); !target.Entered {
		t.Error("policy does not hear of it")
	}
	was := guid("hers")
	if _, err := h.connect(t, "gate", h.alice).Verb(t.Context(), client.VerbRequest{Words: say("rm", "demo:hers")}); err != nil {
		t.Fatal(err)
	}
	if left := shelf.all(); len(left) != 0 || h.Warden.pods.visits.entered(was) {
		t.Errorf("what is removed is remembered: %q", left)
	}
}

func TestWithoutARecordNoAgentEnters(t *testing.T) {
	h := newHost(t)
	h.Warden.pods.visits = &visits{shelf: failing{newPaper()}, seen: map[string]visit{}}
	h.start(t)
	var failed *client.Failed
	if _, err := h.connect(t, "demo+his", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"}); !errors.As(err, &failed) {
		t.Errorf("an agent: %v", err)
	}
	if len(h.pods.ran()) != 0 {
		t.Error("it ran something")
	}
	if s, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"}); err != nil {
		t.Errorf("control, a person: %v", err)
	} else {
		s.Close()
	}
}

// Who keeps no record does not know, which counts as yes.
func TestUnknownVisits(t *testing.T) {
	var v *visits
	if !v.entered("x") || v.note("x", gate.Caller{}) != nil || v.forget("x") != nil {
		t.Error("without a record an agent was nowhere")
	}
	damaged, err := openVisits(&paper{records: map[string][]byte{"x": []byte("no JSON")}})
	if err != nil || !damaged.entered("x") {
		t.Errorf("a damaged record says that nobody was there: %v", err)
	}
}
