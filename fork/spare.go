package fork

import (
	"context"
	"path/filepath"
	"sync"
	"time"
)

const (
	spareCount = 8
	// refillPause keeps the commits of refilling out of the way of the fork that took a spare.
	refillPause = 500 * time.Millisecond
	// retryPause is for a pool that is full or has no rootfs yet.
	retryPause = 10 * time.Second
)

// spares are directories with root and home ready in them. Only this process knows of them: those of an earlier one are removed
// by Reconcile.
type spares struct {
	mu     sync.Mutex
	rootfs string // the digest that all are of
	ready  []string
	wake   chan struct{}
}

func newSpares() spares { return spares{wake: make(chan struct{}, 1)} }

// take hands a spare over to the caller, who renames it.
func (p *spares) take(rootfs string) (dir string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rootfs != rootfs || len(p.ready) == 0 {
		return "", false
	}
	dir, p.ready = p.ready[0], p.ready[1:]
	p.nudge()
	return dir, true
}

func (p *spares) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *spares) add(dir string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = append(p.ready, dir)
}

func (p *spares) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ready)
}

// turnTo gives back the spares of another rootfs.
func (p *spares) turnTo(rootfs string) (stale []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rootfs != rootfs {
		p.rootfs, stale, p.ready = rootfs, p.ready, nil
	}
	return stale
}

// KeepSpares makes what forks need ahead of time, until ctx ends. Forks work without it, at three times the price.
func (s *Store) KeepSpares(ctx context.Context) {
	for {
		pause := refillPause
		if err := s.refill(ctx); err != nil {
			s.opts.Log.Warn("cannot make spares for forks", "err", err)
			pause = retryPause
		} else {
			select {
			case <-ctx.Done():
			case <-s.spares.wake:
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (s *Store) refill(ctx context.Context) error {
	rootfs := s.registry.currentRootfs()
	for _, dir := range s.spares.turnTo(rootfs) {
		if err := s.raze(dir); err != nil {
			return err
		}
	}
	for rootfs != "" && s.spares.count() < spareCount && ctx.Err() == nil {
		if err := s.addSpare(rootfs); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) addSpare(rootfs string) (err error) {
	w := s.begin()
	defer w.end(&err)
	if err := s.checkRoom(); err != nil {
		return err
	}
	dir := filepath.Join(s.pool, "spare", newGUID())
	err = w.do("spare", func() error { return s.build(w, dir, rootfs) }, func() error { return s.raze(dir) })
	if err == nil {
		s.spares.add(dir)
	}
	return err
}
