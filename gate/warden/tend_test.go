package warden

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"forkgate/gate"
)

// An idle pod is stopped after the time that policy says, and not before; one in which something goes on is not, and neither is a
// repository that runs by itself.
func TestIdlePodsAreStopped(t *testing.T) {
	const idle = 10 * time.Minute
	for name, row := range map[string]struct {
		busyFor   time.Duration
		autostart bool
		at        time.Duration
		runs      bool
	}{
		"not yet":                     {at: idle - time.Minute, runs: true},
		"idle":                        {at: idle + 2*time.Minute},
		"busy":                        {busyFor: time.Hour, at: 2 * idle, runs: true},
		"idle since it was last busy": {busyFor: idle, at: 2*idle - time.Minute, runs: true},
		"idle long after":             {busyFor: idle, at: 2*idle + 3*time.Minute},
		"autostart":                   {autostart: true, at: 2 * idle, runs: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			p := h.Warden.pods
			h.text += fmt.Sprintf("pods {\n  idle = %q\n}\nrepository \"demo\" {\n  autostart = %t\n}\n", idle, row.autostart)
			if err := h.rules.reload(); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				p.busy = func(string) (bool, error) { return time.Since(begin) < row.busyFor, nil }
				demo := enter(t, h)
				ctx, cancel := context.WithTimeout(t.Context(), row.at)
				defer cancel()
				p.tend(ctx, slog.New(slog.DiscardHandler))
				if running := h.pods.has(demo); running != row.runs {
					t.Errorf("after %v: running %v", row.at, running)
				}
			})
		})
	}
}

// Who enters while a pod is about to be stopped gets a pod: this one, or the next.
func TestNobodyEntersAPodThatIsStopped(t *testing.T) {
	h := newHost(t)
	demo := enter(t, h)
	looked, entered := 0, make(chan struct{})
	h.Warden.pods.busy = func(string) (bool, error) {
		if looked++; looked == 2 { // nobody is there, and now somebody comes
			go func() {
				defer close(entered)
				enter(t, h)
			}()
		}
		return false, nil
	}
	if _, stopped, err := h.Warden.pods.rest(t.Context(), demo, time.Now().Add(-time.Hour), time.Minute); err != nil || !stopped {
		t.Fatalf("stopped %v, %v", stopped, err)
	}
	<-entered
	if len(h.pods.ran()) != 2 || h.pods.starts() != 2 {
		t.Errorf("%d sessions, %d starts", len(h.pods.ran()), h.pods.starts())
	}
}

// enter enters the repository demo and returns its GUID.
func enter(t *testing.T, h *host) (guid string) {
	demo, _ := h.trees.Find("demo", "")
	h.book().expect(live{ID: "s"}, nil)
	s, err := h.Warden.pods.Run(context.Background(), "s", gate.Caller{Principal: "alice"}, forks{trees: h.trees}.target(demo), gate.Work{})
	if err != nil {
		t.Error(err)
		return ""
	}
	s.Close()
	return demo.GUID
}
