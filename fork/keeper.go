package fork

import (
	"context"
	"sync"
	"time"
)

// How often the pool is looked at, far from its reserve and near it.
const (
	seldom = time.Second
	often  = 50 * time.Millisecond
)

// KeepReserve ends forks, oldest first, while the pool is tight, until ctx ends. It waits until the space of one is really back
// before it looks again, so that none goes in vain. ending hears of each fork before it goes.
func (s *Store) KeepReserve(ctx context.Context, ending func(Tree, Room)) {
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
	ending   func(Tree, Room)
	last     time.Time // when a fork went
	helpless bool      // said already, so as not to say it twenty times a second
	flushing chan struct{}
	flushes  sync.WaitGroup
}

// keep does what the room asks for, and reports whether a fork went.
func (k *keeper) keep(ctx context.Context, room Room) bool {
	if !room.Tight() {
		k.helpless = false
		return false
	}
	// What waits to be written counts as used, and what it will free does not count as free yet.
	k.flush()
	oldest, any := k.oldestFork()
	switch {
	case !any && !k.helpless:
		k.helpless = true
		k.opts.Log.Error("the pool is tight, and no fork is left to end: enlarge it", "free", room.Free, "reserve", room.Reserve)
	case any && (room.urgent() || time.Since(k.last) > settle):
		k.ending(oldest, room)
		err := k.end(ctx, oldest)
		k.last = time.Now()
		if err != nil && ctx.Err() == nil {
			k.opts.Log.Error("the pool is tight, and a fork does not go", "ref", oldest.Ref(), "guid", oldest.GUID, "error", err)
		}
		return err == nil
	}
	return false
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
