package door

import (
	"context"
	"sync"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// maxSignals is how many signals may wait for a session that does not take them.
const maxSignals = 16

// wishes are window sizes and signals on their way to a session that may not have started yet, or may not listen. The client's
// requests are read by one goroutine that must never wait, or every channel of the connection would: so only the last
// size is kept, and a signal too many is refused.
type wishes struct {
	wake chan struct{}

	mu      sync.Mutex
	size    *wire.Resize
	signals []string
}

func newWishes() *wishes { return &wishes{wake: make(chan struct{}, 1)} }

func (w *wishes) resize(to wire.Resize) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size = &to
	w.stir()
	return true
}

func (w *wishes) signal(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.signals) == maxSignals {
		return false
	}
	w.signals = append(w.signals, name)
	w.stir()
	return true
}

func (w *wishes) stir() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *wishes) take() (size *wire.Resize, signals []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	size, signals = w.size, w.signals
	w.size, w.signals = nil, nil
	return size, signals
}

// deliver hands wishes over until ctx ends or the session is closed. resized hears of a new size.
func (w *wishes) deliver(ctx context.Context, to *client.Session, resized func(columns, rows uint32)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		size, signals := w.take()
		if size != nil {
			resized(size.Columns, size.Rows)
			if to.Resize(*size) != nil {
				return
			}
		}
		for _, name := range signals {
			if to.Signal(name) != nil {
				return
			}
		}
	}
}
