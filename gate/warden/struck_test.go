package warden

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail"
	"forkgate/systemd"
)

// What a session ran into is what its pod ran into since it began, told once, and to its own connection.
func TestWhichLimitsWereHit(t *testing.T) {
	h := newLimitedHost(t)
	h.pods.hits = systemd.Hits{Memory: 7, Tasks: 7} // before the sessions
	mine, other := h.connect(t, "demo+x", h.bob), h.connect(t, "demo+x", h.bob)
	begin := func() string {
		s, err := mine.Open(t.Context(), client.OpenRequest{Op: "shell"})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		return s.ID
	}
	ask := func(c *client.Client, session string, want ...string) {
		t.Helper()
		reply := client.StruckReply{Limits: want}
		if len(want) > 0 {
			reply.Hint = "ssh gate@host show demo:x"
		}
		got, err := c.Struck(t.Context(), session)
		if diff := cmp.Diff(reply, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	hit := func(to systemd.Hits) {
		h.pods.mu.Lock()
		defer h.pods.mu.Unlock()
		h.pods.hits = to
	}
	quiet, first := begin(), begin()
	ask(mine, quiet)
	hit(systemd.Hits{Memory: 8, Tasks: 9})
	h.trees.used.Store(1 << 30)
	ask(other, first)
	ask(mine, "nonsense")
	ask(mine, first, "demo:x reached its memory limit of 512MiB, and the kernel killed a process",
		"demo:x reached its limit of 2048 processes, and could start no more", "demo:x is at its quota of 1GiB")
	ask(mine, first) // once
	h.trees.used.Store(0)
	ask(mine, begin()) // that was before it
	gone := begin()
	hit(systemd.Hits{Memory: 100})
	made, _ := h.trees.Find("demo", "x")
	if err := h.trees.Remove(t.Context(), made.GUID); err != nil {
		t.Fatal(err)
	}
	ask(mine, gone)
}

// Who gets no process in a pod that others have filled hears of the limit. What fails otherwise is the gate's own fault.
func TestNoRoomInAPod(t *testing.T) {
	h := newLimitedHost(t)
	var filled atomic.Uint64
	h.Warden.pods.exec = func(context.Context, string, string, nsjail.Exec) (*nsjail.Session, error) {
		h.pods.mu.Lock()
		defer h.pods.mu.Unlock()
		h.pods.hits.Tasks += filled.Load()
		return nil, errors.New("the pod says no")
	}
	for _, hits := range []uint64{0, 1} {
		filled.Store(hits)
		_, err := h.connect(t, "demo+x", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
		refusal, refused := gate.AsRefusal(err)
		if refused != (hits > 0) || refused && (refusal.Reason != "demo:x reached its limit of 2048 processes, and could start no more" || refusal.Hint != "ssh gate@host show demo:x") {
			t.Errorf("%d hits: %v", hits, err)
		}
	}
}
