package doors

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Who waits for a closing learns what became of it: it was kept, or taken back, or is waited for no longer.
func TestSettled(t *testing.T) {
	for name, c := range map[string]struct {
		then func(*house) error
		kept bool
	}{
		"kept":       {func(h *house) error { return h.Keep(context.Background()) }, true},
		"taken back": {func(h *house) error { _, err := h.Rollback(context.Background()); return err }, false},
	} {
		h := build(t)
		if _, err := h.Close(t.Context(), "sudo"); err != nil {
			t.Fatal(err)
		}
		if kept, err := h.Kept(); kept || err != nil {
			t.Errorf("%s, before: %t, %v", name, kept, err)
		}
		enough := errors.New("enough")
		ctx, end := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, enough)
		if kept, err := h.Settled(ctx); kept || !errors.Is(err, enough) {
			t.Errorf("%s, while it waits: %t, %v", name, kept, err)
		}
		end()
		done := make(chan error, 1)
		go func() {
			time.Sleep(20 * time.Millisecond)
			done <- c.then(h)
		}()
		kept, err := h.Settled(t.Context())
		if wrong := <-done; kept != c.kept || err != nil || wrong != nil {
			t.Errorf("%s: %t, %v, %v", name, kept, err, wrong)
		}
		if kept, err := h.Kept(); kept != c.kept || err != nil {
			t.Errorf("%s, afterwards: %t, %v", name, kept, err)
		}
	}
	if kept, err := build(t).Settled(t.Context()); !kept || err != nil {
		t.Errorf("nothing waits: %t, %v", kept, err)
	}
}
