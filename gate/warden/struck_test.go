package warden

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	hit := func(to systemd.Hits) {
		h.pods.mu.Lock()
		defer h.pods.mu.Unlock()
		h.pods.hits = to
	}
	hit(systemd.Hits{Memory: 7, Tasks: 7}) // before the sessions
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

// Who gets no process in a pod that others have filled hears of the limit, the operator as well. What fails otherwise is the gate's own fault.
func TestNoRoomInAPod(t *testing.T) {
	h := newLimitedHost(t)
	h.text = strings.Replace(h.text, "autostart = true", "pids = 64", 1)
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	var filled atomic.Uint64
	h.Warden.pods.exec = func(context.Context, string, string, nsjail.Exec) (*nsjail.Session, error) {
		h.pods.mu.Lock()
		defer h.pods.mu.Unlock()
		h.pods.hits.Tasks += filled.Load()
		return nil, errors.New("the pod says no")
	}
	opens := func() error {
		_, err := h.connect(t, "demo+x", h.bob).Open(t.Context(), client.OpenRequest{Op: "shell"})
		return err
	}
	operates := func() error {
		_, err := dial(t, h.operator).RepoRun(t.Context(), client.RepoRunRequest{Name: "demo", Command: []byte("id")})
		return err
	}
	for _, who := range []struct {
		ref   string
		limit int
		tries func() error
	}{{"demo:x", 2048, opens}, {"demo", 64, operates}} {
		full := gate.Refusal{Reason: fmt.Sprintf("%s reached its limit of %d processes, and could start no more", who.ref, who.limit), Hint: "ssh gate@host show " + who.ref}
		for _, hits := range []uint64{0, 1} {
			filled.Store(hits)
			err := who.tries()
			refusal, refused := gate.AsRefusal(err)
			if refused != (hits > 0) || refused && (refusal.Reason != full.Reason || refusal.Hint != full.Hint) {
				t.Errorf("%s, %d hits: %v", who.ref, hits, err)
			}
		}
	}
}
