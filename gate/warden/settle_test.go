package warden

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"forkgate/gate/warden/client"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// scrubbed is a host whose policy has something taken out of forks of demo, and whose pods say what came of it.
type scrubbed struct {
	*host
	says  atomic.Pointer[wire.Scrubbed] // nil: they say nothing
	fails atomic.Bool                   // they do not start
}

func scrubbing(t *testing.T, says wire.Scrubbed) *scrubbed {
	t.Helper()
	h := &scrubbed{host: newHost(t)}
	h.says.Store(&says)
	h.text += `
scrub "keys" {
  repositories = ["demo"]
  files        = ["**/.env"]
  generate     = ["KEY"]
}
`
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	h.pods.starting = func(unit string) error {
		if h.fails.Load() {
			return errors.New("no cgroup")
		}
		spec, err := nsjail.ReadSpec(h.Warden.pods.runDir, guidOf(unit))
		says := h.says.Load()
		if err != nil || len(spec.Scrub) == 0 || says == nil {
			return err
		}
		if err := nsjail.WriteScrubbed(h.Warden.pods.runDir, spec.GUID, *says); err != nil || says.Error == "" {
			return err
		}
		return errors.New("the unit failed")
	}
	h.start(t)
	return h
}

func guidOf(unit string) string {
	return strings.TrimSuffix(strings.TrimPrefix(unit, "forkgate-pod@"), ".service")
}

// A fork is scrubbed once, before anybody is in it, and that is on record.
func TestAForkIsScrubbed(t *testing.T) {
	h := scrubbing(t, wire.Scrubbed{Steps: []wire.ScrubStep{{Name: "docker state"}, {Name: "keys", Files: 2}}})
	for range 2 {
		s, err := h.connect(t, "demo+x", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	tree, _ := h.trees.Find("demo", "x")
	if !tree.Settled || tree.Unsettled != "" {
		t.Errorf("%+v", tree)
	}
	if n := h.log.count("settling the fork demo:x (" + tree.GUID + ") of bob: docker state, 0 files, 0.0 ms; keys, 2 files, 0.0 ms"); n != 1 {
		t.Errorf("%d lines of record", n)
	}
	if spec := h.Warden.pods.specification(tree); len(spec.Scrub) > 0 {
		t.Errorf("it would be scrubbed again: %+v", spec.Scrub)
	}
	// What is production is not touched.
	grand, _ := h.trees.Find("demo", "")
	if spec := h.Warden.pods.specification(grand); len(spec.Scrub) > 0 {
		t.Errorf("demo would be scrubbed: %+v", spec.Scrub)
	}
}

// A fork that the pod built ahead for it could not scrub is scrubbed that once, and what was done is on record.
func TestAForkIsScrubbedOnceThoughItFails(t *testing.T) {
	says := wire.Scrubbed{Steps: []wire.ScrubStep{{Name: "keys", Files: 2}}, Error: `scrub "leaks": credentials are in it`}
	h := scrubbing(t, says)
	h.Warden.pods.take = func(_ context.Context, runDir, guid string) error {
		h.pods.mu.Lock()
		h.pods.running[unitOf(guid)] = true
		h.pods.mu.Unlock()
		return errors.Join(errors.New("it says no"), nsjail.WriteScrubbed(runDir, guid, says))
	}
	h.pods.starting = func(string) error {
		t.Error("another pod is started for it")
		return errors.New("the unit failed")
	}
	_, err := h.connect(t, "demo+x", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
	refused(t, err, "demo:x is not settled: what has to be done to it before anybody is in it has failed")
	if n := h.log.count("keys, 2 files, 0.0 ms; it failed: " + says.Error); n != 1 {
		t.Errorf("%d lines of record", n)
	}
	if tree, _ := h.trees.Find("demo", "x"); h.pods.has(tree.GUID) {
		t.Error("its pod still runs")
	}
}

// A fork that could not be scrubbed is nobody's to enter, and what was in the way is the operator's alone to see, until another try succeeds.
func TestAForkThatCannotBeScrubbed(t *testing.T) {
	h := scrubbing(t, wire.Scrubbed{Error: `scrub "keys": ".env": line 1: a quote that nothing closes`})
	open := func() error {
		s, err := h.connect(t, "demo+x", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
		if err == nil {
			s.Close()
		}
		return err
	}
	const reason = "demo:x is not settled: what has to be done to it before anybody is in it has failed"
	refused(t, open(), reason)
	refused(t, open(), reason)
	if h.pods.starts() != 0 {
		t.Errorf("its pod was started %d times", h.pods.starts())
	}
	word := func(who *client.Client, words ...string) (string, error) {
		page, err := who.OperatorVerb(t.Context(), client.VerbRequest{Words: say(words...)})
		return string(page), err
	}
	root := dial(t, h.operator)
	if page, err := word(root, "show", "demo:x"); err != nil || !strings.Contains(page, "a quote that nothing closes") {
		t.Errorf("the operator sees %q, %v", page, err)
	}
	if page, err := h.connect(t, "gate", h.bob).Verb(t.Context(), client.VerbRequest{Words: say("show", "demo:x")}); err != nil ||
		!strings.Contains(string(page), "unsettled") || strings.Contains(string(page), "quote") {
		t.Errorf("its owner sees %q, %v", page, err)
	}
	_, err := word(root, "settle", "demo:x")
	refused(t, err, reason)
	_, err = word(root, "settle", "demo:x", "--agian")
	refused(t, err, `settle has no "--agian"`)
	_, err = word(root, "settle", "--again", "demo:x") // a flag stands anywhere
	refused(t, err, reason)
	h.says.Store(&wire.Scrubbed{Steps: []wire.ScrubStep{{Name: "keys", Files: 1}}})
	if page, err := word(root, "settle", "demo:x", "--again"); err != nil || !strings.Contains(page, "demo:x is settled") {
		t.Errorf("%q, %v", page, err)
	}
	if err := open(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	_, err = word(root, "settle", "demo:x", "--again")
	refused(t, err, "demo:x is settled")
	_, err = word(root, "settle", "demo")
	refused(t, err, "demo is a grand (production) repository: nothing is taken out of it")
}

// A pod that does not start for another reason leaves its fork to be scrubbed at the next start, and so does one that says nothing.
func TestAPodThatDoesNotStart(t *testing.T) {
	h := scrubbing(t, wire.Scrubbed{})
	h.fails.Store(true)
	if _, err := h.connect(t, "demo+x", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"}); err == nil {
		t.Error("it runs")
	}
	h.fails.Store(false)
	h.says.Store(nil)
	if _, err := h.connect(t, "demo+x", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"}); err == nil {
		t.Error("it runs, and nobody knows whether it was scrubbed")
	}
	if tree, _ := h.trees.Find("demo", "x"); tree.Settled || tree.Unsettled != "" {
		t.Errorf("%+v", tree)
	}
}
