package warden

import (
	"context"
	"errors"
	"fmt"
	"time"

	"forkgate/fork"
	"forkgate/gate"
)

// evicting makes forks, and room for them where policy says so: of the forks of a principal who has as many as are allowed that goes which was
// unused for longest. One in which somebody is never goes, nor one that is frozen or does not expire, and for an agent's sake none in
// which no agent has been: that may be a person's work.
type evicting struct {
	gate.Forks
	warden *Warden
}

func (e evicting) Make(ctx context.Context, who gate.Caller, child gate.Target, limits gate.Limits) (gate.Target, []gate.Step, error) {
	for {
		made, steps, err := e.Forks.Make(ctx, who, child, limits)
		full := errors.Is(err, fork.ErrTooManyForks) || errors.Is(err, fork.ErrTooLarge)
		if !full || !e.warden.rules.Pods().Evict || !e.warden.evict(ctx, who, child) {
			return made, steps, err
		}
	}
}

// evict removes the fork that its owner has not used for longest. It reports whether one went.
func (w *Warden) evict(ctx context.Context, who gate.Caller, child gate.Target) bool {
	kept := map[string]bool{} // those that stay for a reason of their own
	for {
		t, ok := w.longestUnused(who, child, kept)
		if !ok {
			return false
		}
		why := fmt.Sprintf("%s has as many as are allowed, and this one was unused for longest, since %s", gate.Printable(t.Owner), w.pods.lastUse(t).UTC().Format(time.RFC3339))
		err := w.retire(ctx, t, why)
		if err == nil {
			return true
		}
		if !errors.Is(err, errInUse) {
			w.journal.Error("cannot remove the fork that was unused for longest", "ref", t.Ref(), "error", err)
		}
		kept[t.GUID] = true
	}
}

func (w *Warden) longestUnused(who gate.Caller, child gate.Target, kept map[string]bool) (oldest fork.Tree, ok bool) {
	for _, t := range w.trees.Forks("") {
		switch {
		case t.Owner != child.Owner || t.Ref() == child.Parent || kept[t.GUID]:
		case t.Expires.IsZero() || t.State != fork.Ready && t.State != "" || w.pods.sessions.in(t.GUID):
		case who.Kind != gate.Human && !w.pods.visits.entered(t.GUID):
		case !ok || w.pods.lastUse(t).Before(w.pods.lastUse(oldest)):
			oldest, ok = t, true
		}
	}
	return oldest, ok
}

// errInUse says that a fork is in use, or not any more what it was.
var errInUse = errors.New("it is in use")

// retire removes a fork for a reason of nobody's who asks for it, if nobody is in it, and keeps everybody out meanwhile. What cannot be recorded
// does not happen.
func (w *Warden) retire(ctx context.Context, t fork.Tree, why string) error {
	use := &w.pods.locksOf(t.GUID).use
	if !use.TryLock() {
		return errInUse // somebody is entering, who may be gone in a moment
	}
	defer use.Unlock()
	if now, ok := w.trees.Get(t.GUID); !ok || !now.Expires.Equal(t.Expires) || w.pods.sessions.in(t.GUID) {
		return errInUse
	}
	what := fmt.Sprintf("removing the fork %s (%s) of %s: %s", t.Ref(), t.GUID, gate.Printable(t.Owner), why)
	if err := w.log.Service(what); err != nil {
		return fmt.Errorf("the audit log does not take it: %w", err)
	}
	w.journal.Info(what)
	w.pods.down(ctx, t.GUID)
	if err := w.trees.Remove(ctx, t.GUID); err != nil && !errors.Is(err, fork.ErrNotFound) {
		return err
	}
	return nil
}

// used remembers that a tree is used now.
func (p *pods) used(guid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[guid] = time.Now()
}

// lastUse is when somebody entered a fork last, to a few minutes over starts of the warden; at first when it was made.
func (p *pods) lastUse(t fork.Tree) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := t.Made
	for _, at := range []time.Time{t.Used, p.last[t.GUID]} {
		if at.After(last) {
			last = at
		}
	}
	return last
}
