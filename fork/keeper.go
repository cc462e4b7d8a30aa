package fork

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// How often the pool is looked at, far from its reserve and near it.
const (
	seldom = time.Second
	often  = 50 * time.Millisecond
)

// KeepReserve ends forks while the pool is tight, until ctx ends: of those that hold something back the oldest first. It waits until the
// space of one is really back before it looks again, so that none goes in vain; only where that gets urgent it ends several at once, twice
// as many each time. ending hears of forks before they go.
func (s *Store) KeepReserve(ctx context.Context, ending func([]Tree, Room)) {
	k := keeper{Store: s, ending: ending, flushing: make(chan struct{}, 1)}
	defer k.flushes.Wait()
	for ctx.Err() == nil {
		room, err := s.settledRoom(func(r Room) bool { return !r.Tight() })
		if err != nil {
			s.opts.Log.Error("the reserve is not kept", "error", err)
		} else if k.keep(ctx, room) {
			continue
		}
		pause := often
		if room.Free > 2*room.Reserve || err != nil {
			pause = seldom
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// keeper is KeepReserve at work.
type keeper struct {
	*Store
	ending   func([]Tree, Room)
	most     int       // how many go at once
	last     time.Time // when a fork went
	helpless bool      // said already, so as not to say it twenty times a second
	flushing chan struct{}
	flushes  sync.WaitGroup
}

// keep does what the room asks for, and reports whether a fork went.
func (k *keeper) keep(ctx context.Context, room Room) bool {
	if !room.Tight() {
		k.helpless, k.most = false, 1
		return false
	}
	// What waits to be written counts as used, and what it will free does not count as free yet.
	k.flush()
	forks := k.inOrder(room)
	switch {
	case len(forks) == 0 && !k.helpless:
		k.helpless = true
		k.opts.Log.Error("the pool is tight, and no fork is left to end: enlarge it", "free", room.Free, "reserve", room.Reserve)
	case len(forks) > 0 && (room.Urgent() || time.Since(k.last) > settle):
		return k.endAll(ctx, forks[:min(len(forks), k.howMany(room))], room)
	}
	return false
}

// howMany forks may go at once.
func (k *keeper) howMany(room Room) int {
	now := max(k.most, 1)
	k.most = 1
	if room.Urgent() {
		k.most = 2 * now
	}
	return now
}

// endAll ends forks side by side, and reports whether all of them went.
func (k *keeper) endAll(ctx context.Context, forks []Tree, room Room) bool {
	k.ending(forks, room)
	var failed atomic.Bool
	var ends sync.WaitGroup
	for _, t := range forks {
		ends.Go(func() {
			err := k.end(ctx, t)
			if err != nil && ctx.Err() == nil {
				k.opts.Log.Error("the pool is tight, and a fork does not go", "ref", t.Ref(), "guid", t.GUID, "error", err)
			}
			if err != nil {
				failed.Store(true)
			}
		})
	}
	ends.Wait()
	k.last = time.Now()
	return !failed.Load()
}

// settle is how long what is written has to come to the disk after a fork went, before the next one goes.
const settle = time.Second

// flush writes what waits, beside all else: it takes as long as the disk does.
func (k *keeper) flush() {
	select {
	case k.flushing <- struct{}{}:
	default:
		return // it is under way
	}
	k.flushes.Go(func() {
		defer func() { <-k.flushing }()
		if err := k.withPool(flush); err != nil {
			k.opts.Log.Error("the pool is tight", "error", err)
		}
	})
}
