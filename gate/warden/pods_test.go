package warden

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail"
)

func TestAPodIsStartedOnceForAll(t *testing.T) {
	h := newHost(t)
	demo, _ := h.trees.Find("demo", "")
	where := forks{trees: h.trees}.target(demo)
	h.book().expect(live{ID: "s"}, nil)
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		h.pods.hold = hold
		for range 16 {
			go func() {
				s, err := h.Warden.pods.Run(t.Context(), "s", gate.Caller{Principal: "alice"}, where, gate.Work{})
				if err != nil {
					t.Error(err)
					return
				}
				s.Close()
			}()
		}
		synctest.Wait() // all of them want the pod by now
		close(hold)
	})
	if h.pods.starts() != 1 || len(h.pods.ran()) != 16 {
		t.Errorf("%d starts, %d sessions", h.pods.starts(), len(h.pods.ran()))
	}
	if spec, err := nsjail.ReadSpec(h.Warden.pods.runDir, demo.GUID); err != nil || spec.Mountpoint != "/srv/"+demo.GUID ||
		spec.SubUID != demo.SubUID() || spec.Root != "/pool/root" || spec.Hostname != "demo" {
		t.Errorf("the spec is %+v, %v", spec, err)
	}
}

// A pod may go away between being looked for and being spoken to.
func TestAPodThatIsGoneIsStartedAgain(t *testing.T) {
	h := newHost(t)
	h.pods.gone = 1
	h.start(t)
	s, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if h.pods.starts() != 2 {
		t.Errorf("%d starts", h.pods.starts())
	}
	h.pods.mu.Lock()
	h.pods.gone = 1000
	h.pods.mu.Unlock()
	var failed *client.Failed
	if _, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"}); !errors.As(err, &failed) {
		t.Errorf("a pod that never answers: %v", err)
	}
	if starts := h.pods.starts() - 2; starts < 2 || starts > 20 {
		t.Errorf("%d starts for one that never answers", starts)
	}
}

// A start that was on its way when the tree was removed must not leave a pod behind.
func TestNoPodStartsInWhatIsBeingRemoved(t *testing.T) {
	h := newHost(t)
	made := h.trees.add(fork.Tree{Repo: "demo", Tag: "x", Owner: "bob"})
	where := forks{trees: h.trees}.target(made)
	p := h.Warden.pods
	h.book().expect(live{ID: "s"}, nil)
	unlock := p.lock(made.GUID) // as End does
	var all sync.WaitGroup
	all.Go(func() {
		_, err := p.Run(t.Context(), "s", gate.Caller{Principal: "bob"}, where, gate.Work{})
		if !errors.Is(err, errEnded) {
			t.Errorf("it says %v", err)
		}
	})
	h.trees.mu.Lock()
	delete(h.trees.trees, made.Ref())
	h.trees.mu.Unlock()
	unlock()
	all.Wait()
	if h.pods.starts() != 0 {
		t.Error("a pod was started")
	}
}

func TestPodsOfUnknownTreesAreEnded(t *testing.T) {
	h := newHost(t)
	demo, _ := h.trees.Find("demo", "")
	_ = h.pods.Start(t.Context(), unitOf(demo.GUID))
	_ = h.pods.Start(t.Context(), unitOf("00000000-0000-4000-8000-00000000dead"))
	for _, guid := range []string{demo.GUID, "00000000-0000-4000-8000-00000000beef"} {
		if err := (nsjail.Spec{GUID: guid}).Write(h.Warden.pods.runDir); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Warden.pods.EndUnknown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if running, _ := h.Warden.pods.Running(t.Context()); len(running) != 1 || running[0] != demo.GUID {
		t.Errorf("these run: %q", running)
	}
	if written, err := nsjail.Written(h.Warden.pods.runDir); err != nil || len(written) != 1 || written[0] != demo.GUID {
		t.Errorf("of these something is written: %q, %v", written, err)
	}
}

func TestHostnames(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct{ repo, tag, want string }{
		{"demo", "", "demo"}, {"demo", "agent-test", "demo-agent-test"}, {"a.b_c", "x", "a-b-c-x"}, {long, "x", long}, {long[:62], "-x", long[:62]},
	} {
		if got := hostname(fork.Tree{Repo: c.repo, Tag: c.tag}); got != c.want {
			t.Errorf("%s:%s is %q, want %q", c.repo, c.tag, got, c.want)
		}
	}
}
