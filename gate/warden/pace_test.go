package warden

import (
	"testing"
	"time"

	"forkgate/gate/warden/client"
)

// Who opens sessions without a pause has to make one, and nobody else has.
func TestPace(t *testing.T) {
	var p pace
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for range atOnce {
		if err := p.take("bob", now); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.take("bob", now); !refusedWith(err, "without a pause") {
		t.Errorf("one more: %v", err)
	}
	if err := p.take("alice", now); err != nil {
		t.Errorf("another: %v", err)
	}
	now = now.Add(time.Second)
	for range paced {
		if err := p.take("bob", now); err != nil {
			t.Errorf("a second later: %v", err)
		}
	}
	if err := p.take("bob", now); err == nil {
		t.Error("and no more than that")
	}
}

// The door gets no session for who is too fast.
func TestSessionsArePaced(t *testing.T) {
	h := newHost(t)
	h.start(t)
	future := time.Now().Add(time.Hour) // which a limiter does not make up for
	for range atOnce {
		_ = h.pace.take("alice", future)
	}
	if _, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"}); !refusedWith(err, "without a pause") {
		t.Errorf("%v", err)
	}
}
