package warden

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"forkgate/fork"
	"forkgate/gate"
)

// evicting makes forks, and room for them where policy says so: of the forks of a principal who has as many as are allowed those go which were
// unused for longest, if that makes room enough. One in which somebody is never goes, nor one that is frozen or does not expire, and for an agent's
// sake none in which no agent has been: that may be a person's work.
type evicting struct {
	gate.Forks
	warden *Warden
}

func (e evicting) Make(ctx context.Context, who gate.Caller, child gate.Target, limits gate.Limits) (gate.Target, []gate.Step, error) {
	if !e.warden.rules.Pods().Evict {
		return e.Forks.Make(ctx, who, child, limits)
	}
	// One at a time: nobody takes the room that somebody else's forks have made.
	crowd := e.warden.pods.crowdOf(child.Owner)
	crowd.turn.Lock()
	defer crowd.turn.Unlock()
	made, steps, err := e.Forks.Make(ctx, who, child, limits)
	full := errors.Is(err, fork.ErrTooManyForks) || errors.Is(err, fork.ErrTooLarge)
	if full && e.warden.evict(ctx, who, child, limits) {
		return e.Forks.Make(ctx, who, child, limits)
	}
	return made, steps, err
}

// evict removes the forks that go for a new one, and reports whether there is room now.
func (w *Warden) evict(ctx context.Context, who gate.Caller, child gate.Target, limits gate.Limits) bool {
	inUse := map[string]bool{} // in the last moment
	for ctx.Err() == nil {
		going, room := w.surplus(who, child, limits, inUse)
		if !room {
			return false
		}
		switch busy, err := w.retireAll(ctx, going); {
		case err != nil:
			return false
		case busy == "":
			return true
		default:
			inUse[busy] = true
		}
	}
	return false
}

// retireAll removes forks, and none before nobody can enter any of them. busy is the first that is in use after all.
func (w *Warden) retireAll(ctx context.Context, all []fork.Tree) (busy string, err error) {
	leave, busy := w.shut(all)
	defer leave()
	if busy != "" {
		return busy, nil
	}
	for _, t := range all {
		why := fmt.Sprintf("%s has as many as are allowed, and this one was unused for longest, since %s", gate.Printable(t.Owner), w.pods.lastUse(t).UTC().Format(time.RFC3339))
		err := w.retireShut(ctx, t, why)
		if errors.Is(err, errInUse) {
			return t.GUID, nil
		}
		if err != nil {
			w.journal.Error("cannot remove the fork that was unused for longest", "ref", t.Ref(), "error", err)
			return "", err
		}
	}
	return "", nil
}

// shut keeps everybody out of forks in which nobody is, until the returned function is called; busy is the first in which somebody is.
func (w *Warden) shut(all []fork.Tree) (leave func(), busy string) {
	var shut []*sync.RWMutex
	leave = func() {
		for _, use := range shut {
			use.Unlock()
		}
	}
	for _, t := range all {
		use := &w.pods.locksOf(t.GUID).use
		if !use.TryLock() {
			return leave, t.GUID
		}
		if shut = append(shut, use); w.pods.sessions.in(t.GUID) {
			return leave, t.GUID
		}
	}
	return leave, ""
}

// surplus are the forks that go for a new one, as few as make room for it, and whether there is room without them. Where all that may go would not be
// enough there is none.
func (w *Warden) surplus(who gate.Caller, child gate.Target, limits gate.Limits, inUse map[string]bool) (going []fork.Tree, room bool) {
	owned := w.trees.Owned(child.Owner)
	var may []fork.Tree
	for _, t := range owned {
		stays := t.State != fork.Ready || t.Ref() == child.Parent || inUse[t.GUID] || w.pods.sessions.in(t.GUID)
		if !stays && !t.Expires.IsZero() && (who.Kind == gate.Human || w.pods.visits.entered(t.GUID)) {
			may = append(may, t)
		}
	}
	slices.SortFunc(may, func(a, b fork.Tree) int { return w.pods.lastUse(a).Compare(w.pods.lastUse(b)) })
	fresh := fork.Tree{Owner: child.Owner, Limits: fork.Limits(limits)}
	for n := range len(may) + 1 {
		left := slices.DeleteFunc(slices.Clone(owned), func(t fork.Tree) bool {
			return slices.ContainsFunc(may[:n], func(g fork.Tree) bool { return g.GUID == t.GUID })
		})
		if w.rules.share().Admits(fresh, left) == nil {
			return may[:n], true
		}
	}
	return nil, false
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
	return w.retireShut(ctx, t, why)
}

// retireShut is retire of a fork that nobody can enter.
func (w *Warden) retireShut(ctx context.Context, t fork.Tree, why string) error {
	if now, ok := w.trees.Get(t.GUID); !ok || !now.Expires.Equal(t.Expires) || w.pods.sessions.in(t.GUID) {
		return errInUse
	}
	what := fmt.Sprintf("removing the fork %s (%s) of %s: %s", t.Ref(), t.GUID, gate.Printable(t.Owner), why)
	if err := w.log.Service(what); err != nil {
		return fmt.Errorf("the audit log does not take it: %w", err)
	}
	w.journal.Info(what)
	w.pods.down(ctx, t.GUID)
	// Begun, it is finished: what is half removed nobody finds.
	if err := w.trees.Remove(context.WithoutCancel(ctx), t.GUID); err != nil && !errors.Is(err, fork.ErrNotFound) {
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
