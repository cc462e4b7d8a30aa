package warden

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"forkgate/gate/warden/client"
)

// Who opens sessions without a pause waits, behind others of the same principal; nobody else does.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		takes := func(principal string) (time.Duration, error) {
			begin := time.Now()
			err := p.take(t.Context(), principal, begin)
			return time.Since(begin), err
		}
		for range atOnce {
			if took, err := takes("bob"); took > 0 || err != nil {
				t.Fatalf("at once: %v after %v", err, took)
			}
		}
		if took, err := takes("bob"); took != time.Second/paced || err != nil {
			t.Errorf("one more: %v after %v", err, took)
		}
		if took, err := takes("alice"); took > 0 || err != nil {
			t.Errorf("another: %v after %v", err, took)
		}
		var many sync.WaitGroup
		for range int(queue.Seconds()) * paced {
			many.Go(func() {
				if took, err := takes("bob"); took > queue || err != nil {
					t.Errorf("one of many: %v after %v", err, took)
				}
			})
		}
		synctest.Wait()
		if took, err := takes("bob"); took > 0 || !refusedWith(err, "without a pause") {
			t.Errorf("one too many: %v after %v", err, took)
		}
		many.Wait()
	})
}

// Who goes leaves the place to others.
func TestALeftPlaceIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		p.of("bob").ReserveN(time.Now(), atOnce)
		gone, leave := context.WithCancel(t.Context())
		leave()
		for range 1000 {
			_ = p.take(gone, "bob", time.Now())
		}
		begin := time.Now()
		if err := p.take(t.Context(), "bob", begin); err != nil || time.Since(begin) > time.Second/paced {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// The door gets no session for who is too fast.
func TestSessionsArePaced(t *testing.T) {
	h := newHost(t)
	h.start(t)
	future := time.Now().Add(time.Hour) // which a limiter does not make up for
	h.pace.of("alice").ReserveN(future, atOnce)
	for range int(queue.Seconds())*paced + 1 {
		h.pace.of("alice").ReserveN(future, 1)
	}
	if _, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "shell"}); !refusedWith(err, "without a pause") {
		t.Errorf("%v", err)
	}
}
