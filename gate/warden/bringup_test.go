package warden

import (
	"context"
	"errors"
	"testing"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/nsjail"
)

func TestPodsAreBuiltAhead(t *testing.T) {
	h := newHost(t)
	p := h.Warden.pods
	spare := fork.Tree{GUID: "00000000-0000-4000-8000-0000000005a2", Slot: 7}
	if err := p.Prepare(t.Context(), spare, fork.Dirs{Root: "/pool/spare/root", Home: "/pool/spare/home"}); err != nil {
		t.Fatal(err)
	}
	spec, err := nsjail.ReadSpec(p.runDir, spare.GUID)
	if err != nil || !spec.Ahead || spec.SubUID != spare.SubUID() || spec.NetworkID != spare.NetworkID() || spec.Root != "/pool/spare/root" || spec.Data != "" {
		t.Errorf("the spec is %+v, %v", spec, err)
	}
	if h.pods.starts() != 1 {
		t.Errorf("%d starts", h.pods.starts())
	}
}

// A fork gets the pod that was built ahead for it, with its limits in force and its spec written, and another where that is of no use.
func TestPodsThatWaitAreTaken(t *testing.T) {
	for name, c := range map[string]struct {
		err           error
		starts, kills int
	}{
		"it waits":      {nil, 0, 0},
		"there is none": {nsjail.ErrNotRunning, 1, 0},
		"it is no use":  {errors.New("it says no"), 1, 1},
		"it takes ages": {context.DeadlineExceeded, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			made := h.trees.add(fork.Tree{Repo: "demo", Tag: "x", Owner: "alice"})
			p, unit := h.Warden.pods, unitOf(made.GUID)
			h.pods.running[unit] = true
			p.take = func(_ context.Context, runDir, guid string) error {
				spec, err := nsjail.ReadSpec(runDir, guid)
				if err != nil || spec.Ahead || spec.Hostname != "demo-x" || spec.Root != "/pool/root" {
					t.Errorf("it is taken with the spec %+v, %v", spec, err)
				}
				h.pods.mu.Lock()
				defer h.pods.mu.Unlock()
				if len(h.pods.limits[unit]) != 1 {
					t.Error("it is taken without limits")
				}
				return c.err
			}
			if err := p.wake(t.Context(), made.GUID); err != nil {
				t.Fatal(err)
			}
			if h.pods.starts() != c.starts || h.pods.kills != c.kills {
				t.Errorf("%d starts, %d kills", h.pods.starts(), h.pods.kills)
			}
			h.book().expect(live{ID: "s"}, nil)
			s, err := p.Run(t.Context(), "s", gate.Caller{Principal: "alice"}, forks{trees: h.trees}.target(made), gate.Work{})
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		})
	}
}
