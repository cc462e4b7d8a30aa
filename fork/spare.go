package fork

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// spareCount is how many forks come at once without waiting for what can be made ahead.
	spareCount = 4
	// refillPause keeps the commits of refilling out of the way of the fork that took a spare.
	refillPause = 500 * time.Millisecond
	// retryPause is for a pool that is full or has no rootfs yet.
	retryPause = 10 * time.Second
)

// spares are forks to be, with a GUID, a slot, root and home ready in a directory, and what Options.Prepare started. Only this process
// knows of them: those of an earlier one are removed by Reconcile.
type spares struct {
	mu     sync.Mutex
	rootfs string   // the digest that all are of
	ready  []string // GUIDs
	wake   chan struct{}
}

func newSpares() spares { return spares{wake: make(chan struct{}, 1)} }

// take hands a spare over to the caller, who makes a fork of it or puts it back.
func (p *spares) take(rootfs string) (guid string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rootfs != rootfs || len(p.ready) == 0 {
		return "", false
	}
	guid, p.ready = p.ready[0], p.ready[1:]
	p.nudge()
	return guid, true
}

func (p *spares) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *spares) add(guid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = append(p.ready, guid)
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
	for _, guid := range s.spares.turnTo(rootfs) {
		if err := s.dropSpare(ctx, guid); err != nil {
			return err
		}
	}
	for rootfs != "" && s.spares.count() < spareCount && ctx.Err() == nil {
		if err := s.addSpare(ctx, rootfs); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) spareDirs(guid string) Dirs { return dirsBelow(filepath.Join(s.pool, "spare", guid)) }

func (s *Store) addSpare(ctx context.Context, rootfs string) (err error) {
	w := s.begin()
	defer w.end(&err)
	if err := s.checkRoom(); err != nil {
		return err
	}
	spare := Tree{GUID: newGUID(), Rootfs: rootfs}
	if spare.Slot, err = s.registry.hold(spare.GUID); err != nil {
		return err
	}
	dirs := s.spareDirs(spare.GUID)
	// Not to be interrupted half-way, and its undoing not at all.
	drop := func() error { return s.dropSpare(context.WithoutCancel(ctx), spare.GUID) }
	if err := w.do("spare", func() error { return s.build(w, dirs.Base, rootfs) }, drop); err != nil {
		return err
	}
	if s.opts.Prepare != nil {
		if err := w.do("prepared", func() error { return s.opts.Prepare(ctx, spare, dirs) }, nil); err != nil {
			return err
		}
	}
	s.spares.add(spare.GUID)
	return nil
}

// dropSpare ends and removes a spare, or what there is of one. Its slot is free last.
func (s *Store) dropSpare(ctx context.Context, guid string) error {
	if err := s.opts.End(ctx, guid); err != nil {
		return fmt.Errorf("cannot end what was started ahead: %w", err)
	}
	if err := s.raze(s.spareDirs(guid).Base); err != nil {
		return err
	}
	s.registry.release(guid)
	return nil
}

// takeSpare hands over a spare that is whole, if there is one.
func (s *Store) takeSpare(ctx context.Context, rootfs string) (guid string, ok bool, err error) {
	for {
		guid, ok := s.spares.take(rootfs)
		if !ok || s.whole(guid) {
			return guid, ok, nil
		}
		if err := s.dropSpare(ctx, guid); err != nil {
			return "", false, err
		}
	}
}

// whole reports whether a spare has its directory: no fork was made of it, and nobody has removed it by hand.
func (s *Store) whole(guid string) bool {
	_, err := os.Lstat(s.spareDirs(guid).Home)
	return err == nil
}

// returnSpare puts back what no fork was made of, and ends and removes what is left of one.
func (s *Store) returnSpare(ctx context.Context, guid string) error {
	if s.whole(guid) {
		s.spares.add(guid)
		return nil
	}
	return s.dropSpare(ctx, guid)
}
