package warden

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"forkgate/gate/warden/client"
)

func TestABrokenFileKeepsTheLastGoodPolicy(t *testing.T) {
	h := newHost(t)
	h.start(t)
	h.text = ""
	if h.rules.reload() == nil {
		t.Fatal("it loads")
	}
	s, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err = h.connect(t, "demo", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
	refused(t, err, "demo is a grand (production) repository; agents work in forks")
	status, err := dial(t, h.operator).Status(t.Context())
	if err != nil || status.PolicyError != "test.hcl:1: it does not load" || status.PolicySince.IsZero() {
		t.Errorf("status is %+v, %v", status, err)
	}
}

func TestWithoutAPolicyTheDoorsAreShutAndTheOperatorIsNot(t *testing.T) {
	h := newHost(t)
	h.start(t)
	c, g := h.connect(t, "demo", h.alice), h.connect(t, "gate", h.alice)
	h.rules.has.Store(&inForce{})
	const shut = "the policy does not load, so the doors are shut"
	_, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"})
	refused(t, err, shut)
	_, err = g.Verb(t.Context(), client.VerbRequest{Words: say("whoami")})
	refused(t, err, shut)
	_, err = c.Identify(t.Context(), client.IdentifyRequest{Key: h.alice.Marshal()})
	refused(t, err, shut)
	if _, err := dial(t, h.operator).OperatorVerb(t.Context(), client.VerbRequest{Words: say("show", "secret")}); err != nil {
		t.Errorf("the operator is shut out: %v", err)
	}
	if status, err := dial(t, h.operator).Status(t.Context()); err != nil || !status.PolicySince.IsZero() {
		t.Errorf("status is %+v, %v", status, err)
	}
}

// A reload says what is another than before, and what does not load changes nothing.
func TestAReloadSaysWhatChanged(t *testing.T) {
	h := newHost(t)
	good := h.text
	for _, step := range []struct{ text, want string }{
		{good + "permit \"new\" {\n  when = op == \"list\"\n}\n", `policy loaded from here: added permit "new"`},
		{"permit", "policy in here does not load, the last good one stays"},
		{good, `policy loaded from here: removed permit "new"`},
		{good, "policy loaded from here: nothing has changed"},
	} {
		h.text, h.policyPlace = step.text, "here"
		if err := h.rules.reload(); (err != nil) != strings.Contains(step.want, "does not load") {
			t.Errorf("%s: %v", step.want, err)
		}
		if got := h.outcome(); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
}

func TestABlockOfNoRepositoryIsToldOf(t *testing.T) {
	h := newHost(t)
	var journal bytes.Buffer
	h.journal = slog.New(slog.NewTextHandler(&journal, nil))
	h.text += "repository \"demo\" {\n}\nrepository \"dmeo\" {\n  publish = [\"443:443/tcp\"]\n}\n"
	if err := h.reload("a test"); err != nil {
		t.Fatal(err)
	}
	if said := journal.String(); strings.Count(said, "there is none of") != 1 || !strings.Contains(said, "repository=dmeo") {
		t.Errorf("the journal says\n%s", said)
	}
}

// A rule that names a repository which does not exist loads, and the journal tells where it stands. One that names what exists is not told of.
func TestARuleOfNoRepositoryIsToldOf(t *testing.T) {
	h := newHost(t)
	var journal bytes.Buffer
	h.journal = slog.New(slog.NewTextHandler(&journal, nil))
	const rule = "forbid \"keep-out\" {\n  when   = op == \"shell\" && caller.kind == \"agent\" && target.ref == \"%s:x\"\n  reason = \"no\"\n}\n"
	good := h.text
	for _, step := range []struct {
		repo string
		told int
	}{{"demo", 0}, {"dmeo", 1}} {
		journal.Reset()
		h.text = good + fmt.Sprintf(rule, step.repo)
		if err := h.reload("a test"); err != nil {
			t.Fatal(err)
		}
		if said := journal.String(); strings.Count(said, `Did you mean \"demo\"`) != step.told || strings.Count(said, "level=WARN") != step.told {
			t.Errorf("%s: the journal says\n%s", step.repo, said)
		}
	}
	h.text = good
	for n := range 2 * maxWarned {
		h.text += strings.Replace(fmt.Sprintf(rule, fmt.Sprintf("none-%d", n)), "keep-out", fmt.Sprintf("keep-out-%d", n), 1)
	}
	journal.Reset()
	if err := h.reload("a test"); err != nil || strings.Count(journal.String(), "level=WARN") != maxWarned+1 {
		t.Errorf("%v; of many the journal says\n%s", err, journal.String())
	}
}
