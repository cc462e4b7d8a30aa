package fork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Fork makes a fork of parent under tag, within limits, unless there is one: then that is returned, without steps, and whoever asked judges
// it anew, because its owner may be somebody else. However many ask for the same tag at once, it is made once.
//
// Errors are ErrTooManyForks, ErrTooLarge, ErrPoolFull, ErrNested, ErrRemoving, ErrNoRootfs, ErrNoSlot, ErrNotFound (the parent is gone),
// and whatever the disk said. After an error nothing is left of the fork.
func (s *Store) Fork(ctx context.Context, parent Tree, tag, owner string, limits Limits) (Tree, []Step, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Tree{}, nil, context.Cause(ctx)
		}
		var mine bool
		var steps []Step
		fork, err, _ := s.once.Do("fork "+parent.Repo+":"+tag, func() (any, error) {
			if t, ok := s.Find(parent.Repo, tag); ok {
				return t, nil
			}
			mine = true
			t, done, err := s.makeFork(context.WithoutCancel(ctx), parent, tag, owner, limits)
			steps = done
			return t, err
		})
		if err == nil {
			return fork.(Tree), steps, nil
		}
		if mine { // somebody else's failure, such as his having too many forks, says nothing about us
			return Tree{}, nil, fmt.Errorf("cannot fork %s as %s:%s: %w", parent.Ref(), parent.Repo, tag, err)
		}
	}
}

// makeFork is not to be interrupted: it takes milliseconds, and others may be waiting for it.
func (s *Store) makeFork(ctx context.Context, parent Tree, tag, owner string, limits Limits) (t Tree, steps []Step, err error) {
	w := s.begin()
	defer w.end(&err)

	if err := w.do("check", func() error { return s.checkFork(parent, owner, limits) }, nil); err != nil {
		return t, nil, err
	}
	now := time.Now()
	t = Tree{Repo: parent.Repo, Tag: tag, Owner: owner, Parent: parent.GUID,
		Limits: limits, Rootfs: s.registry.currentRootfs(), Made: now.UTC(), Expires: limits.Expiry(now), Settled: s.opts.Settled(parent)}
	spare, err := s.name(ctx, w, &t)
	if err != nil {
		return t, nil, err
	}
	guid, dirs := t.GUID, s.Dirs(t)
	for _, step := range []struct {
		name      string
		try, undo func() error
	}{
		{"record",
			func() (err error) { t, err = s.registry.claim(t, s.opts.Share()); return err },
			func() error { return s.registry.forget(guid) }},
		// Before there is anything that it could limit, and gone after all of that.
		{"quota",
			func() error { return s.makeGroup(t.Slot, limits.Quota) },
			func() error { return s.dropGroup(t.Slot) }},
		{"directory",
			func() error { return s.furnish(w, t, spare) },
			func() error { return s.abandon(ctx, guid, dirs.Base) }},
		{"snapshot", func() error { return snapshotInto(dirs.Tree, s.Dirs(parent).Tree, t.Slot) }, nil},
		{"ready", func() error { return s.finish(&t, s.sharedBy(parent)) }, nil},
	} {
		if err := w.do(step.name, step.try, step.undo); err != nil {
			return t, nil, err
		}
	}
	s.registry.release(guid)
	return t, w.steps, nil
}

// Extend has the time of a fork begin again, by its own ttl. One that does not expire stays as it is.
//
// Errors are ErrNotFound, ErrGrand, and that of a fork which is being made or removed.
func (s *Store) Extend(guid string) (Tree, error) {
	return s.changeFork(guid, "extend", func(t *Tree) error {
		if !t.Expires.IsZero() {
			t.Expires = t.Limits.Expiry(time.Now())
		}
		return nil
	})
}

// Use notes that somebody was in a fork.
//
// Errors are ErrNotFound, ErrGrand, and that of a fork which is being made or removed.
func (s *Store) Use(guid string, at time.Time) (Tree, error) {
	return s.changeFork(guid, "use", func(t *Tree) error { t.Used = at.UTC(); return nil })
}

// Settle notes that what has to be taken out of a fork has been, where why is empty; else why it could not be.
//
// Errors are ErrNotFound, ErrGrand, and that of a fork which is being made or removed.
func (s *Store) Settle(guid, why string) (Tree, error) {
	return s.changeFork(guid, "settle", func(t *Tree) error { t.Settled, t.Unsettled = why == "", why; return nil })
}

// finish lets callers in. After an error t is as it was: the undoing needs its slot.
func (s *Store) finish(t *Tree, shared uint64) error {
	ready, err := s.registry.ready(t.GUID, shared)
	if err == nil {
		*t = ready
	}
	return err
}

// name gives a fork to be its GUID: that of a spare, where there is one.
func (s *Store) name(ctx context.Context, w *work, t *Tree) (spare bool, err error) {
	if t.GUID, spare, err = s.takeSpare(ctx, t.Rootfs); err != nil {
		return false, err
	}
	if !spare {
		t.GUID = newGUID()
		return false, nil
	}
	guid := t.GUID
	w.undo = append(w.undo, func() error { return s.returnSpare(ctx, guid) })
	return true, nil
}

// abandon removes what there is of a fork that is not finished, with what was started ahead for it.
func (s *Store) abandon(ctx context.Context, guid, base string) error {
	if _, err := os.Lstat(base); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := s.opts.End(ctx, guid); err != nil {
		return err
	}
	return s.raze(base)
}

func (s *Store) checkFork(parent Tree, owner string, limits Limits) error {
	if owner == "" {
		return errors.New("a fork needs an owner")
	}
	if limits.Quota == 0 {
		return errors.New("a fork needs a quota")
	}
	if _, ok := s.Get(parent.GUID); !ok {
		return fmt.Errorf("%s: %w", parent.Ref(), ErrNotFound)
	}
	if err := s.checkRootfs(); err != nil {
		return err
	}
	if err := s.checkRoom(); err != nil {
		return err
	}
	ids, err := nested(s.Dirs(parent).Tree)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		return fmt.Errorf("%w: %s holds %d, and a snapshot would leave them empty; replace them by directories",
			ErrNested, parent.Ref(), len(ids))
	}
	return nil
}
