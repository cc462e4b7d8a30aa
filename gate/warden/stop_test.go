package warden

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
	"forkgate/tests/need"
)

// serveUntil has the warden serve doors until the returned function is called. What comes out of the channel is the end of that.
func (h *host) serveUntil(t *testing.T) (stop func(), ended <-chan struct{}) {
	t.Helper()
	h.door = filepath.Join(t.TempDir(), "door")
	l, err := wire.Listen(h.door, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		h.serve(ctx, l, Socket{speaks: map[uint32]role{uint32(os.Getuid()): door}})
	}()
	t.Cleanup(func() { cancel(); <-over })
	return cancel, over
}

// A warden that stops lets in who is coming in, and hangs up on who is.
func TestAWardenThatStopsLetsComeInWhoIsComing(t *testing.T) {
	h := newHost(t)
	h.lastRequests = time.Hour
	stop, ended := h.serveUntil(t)
	in, coming := h.connect(t, "demo", h.alice), h.connect(t, "demo", h.alice)
	s, err := in.Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("first")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stop()
	need.Eventually(t, "who is in is hung up on", func() bool {
		_, err := in.HostKeys(t.Context())
		return errors.Is(err, client.ErrGone)
	})
	later, err := coming.Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("second")})
	if err != nil {
		t.Fatal(err)
	}
	defer later.Close()
	<-ended
	if ran := h.pods.ran(); len(ran) != 2 {
		t.Errorf("what ran is %+v", ran)
	}
}

// Nobody is waited for for long: this is what becomes of who is coming without that patience.
func TestAWardenThatStopsDoesNotWaitForLong(t *testing.T) {
	h := newHost(t)
	h.lastRequests = 0
	stop, ended := h.serveUntil(t)
	coming := h.connect(t, "demo", h.alice)
	stop()
	<-ended
	if _, err := coming.Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("late")}); !errors.Is(err, client.ErrGone) {
		t.Errorf("who is late gets %v", err)
	}
}
