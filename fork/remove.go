package fork

import (
	"context"
	"errors"
	"fmt"
)

// Remove ends and removes a fork. It returns when the name and the slot are free; the disk's space comes back within half a
// minute. After an error the fork is either as it was or shut for good, and Reconcile removes the rest.
func (s *Store) Remove(ctx context.Context, guid string) error {
	t, ok := s.registry.get(guid)
	if !ok {
		return fmt.Errorf("fork %s: %w", guid, ErrNotFound)
	}
	if t.Grand {
		return fmt.Errorf("cannot remove %s: %w; only the operator removes those", t.Ref(), ErrGrand)
	}
	return s.remove(ctx, t)
}

// RemoveRepo removes a grand repository that has no forks: production, for the operator, who gives its name twice.
func (s *Store) RemoveRepo(ctx context.Context, name, understood string) error {
	if understood != name {
		return fmt.Errorf("%s: %w", name, ErrNotUnderstood)
	}
	t, ok := s.registry.find(name, "")
	if !ok {
		return fmt.Errorf("repository %s: %w", name, ErrNotFound)
	}
	return s.remove(ctx, t)
}

func (s *Store) remove(ctx context.Context, t Tree) error {
	_, err, _ := s.once.Do("remove "+t.GUID, func() (any, error) {
		if _, ok := s.registry.get(t.GUID); !ok {
			return nil, nil // somebody has just done it
		}
		if _, err := s.registry.turn(t.GUID, Removing, Ready, Removing); err != nil {
			return nil, err
		}
		if err := s.opts.step("removing"); err != nil {
			return nil, err
		}
		return nil, s.finishRemoval(ctx, t)
	})
	if err != nil {
		return fmt.Errorf("cannot remove %s: %w", t.Ref(), err)
	}
	return nil
}

// finishRemoval frees name and slot last, when nothing that could use them is left.
func (s *Store) finishRemoval(ctx context.Context, t Tree) error {
	if err := s.opts.End(ctx, t.GUID); err != nil {
		return fmt.Errorf("its pod does not end: %w", err)
	}
	if err := s.liftLimit(t.Slot); err != nil {
		return err
	}
	if err := errors.Join(s.raze(s.Dirs(t).Base), s.dropOf(t.GUID)); err != nil {
		return err
	}
	if err := s.dropGroup(t.Slot); err != nil {
		return err
	}
	// What the disk does not know yet would be there again after a power cut, and nobody would know of it.
	if err := s.withPool(commit); err != nil {
		return err
	}
	return s.registry.forget(t.GUID)
}
