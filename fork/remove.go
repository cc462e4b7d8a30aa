package fork

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Remove ends and removes a fork that is not frozen. It returns when the name and the slot are free; the disk's space comes back within half a
// minute. After an error the fork is either as it was or shut for good, and Reconcile removes the rest.
func (s *Store) Remove(ctx context.Context, guid string) error {
	t, ok := s.registry.get(guid)
	if !ok {
		return fmt.Errorf("fork %s: %w", guid, ErrNotFound)
	}
	return s.removeFork(ctx, t, thawed)
}

// RemoveNamed is Remove of a fork that still has the name by which somebody was permitted to remove it; else the error is ErrRenamed.
func (s *Store) RemoveNamed(ctx context.Context, t Tree) error {
	return s.removeFork(ctx, t, func(now Tree) error {
		if now.Ref() != t.Ref() {
			return fmt.Errorf("it has %w", ErrRenamed) // which is not for whoever knows the old one
		}
		return thawed(now)
	})
}

func (s *Store) removeFork(ctx context.Context, t Tree, may func(Tree) error) error {
	if t.Grand {
		return fmt.Errorf("cannot remove %s: %w; only the operator removes those", t.Ref(), ErrGrand)
	}
	return s.remove(ctx, t, may)
}

// thawed lets go what is not frozen, and what goes already.
func thawed(t Tree) error {
	if t.State == Ready && !t.Frozen.IsZero() {
		return fmt.Errorf("it is %w", ErrFrozen)
	}
	return nil
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
	return s.remove(ctx, t, goes)
}

// goes lets everything be removed that can be.
func goes(Tree) error { return nil }

// remove removes a tree, if may has nothing against it in the moment in which it is shut.
func (s *Store) remove(ctx context.Context, t Tree, may func(Tree) error) error {
	_, err, _ := s.once.Do("remove "+t.GUID, func() (any, error) {
		if _, ok := s.registry.get(t.GUID); !ok {
			return nil, nil // somebody has just done it
		}
		if err := takesWrites(s.pool); err != nil { // it stays as it is, and is not shut in vain
			return nil, err
		}
		if _, err := s.registry.change(t.GUID, func(t *Tree) error { return may(*t) }, Removing, Ready, Removing); err != nil {
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
	if !t.Frozen.IsZero() { // what is nested in a read-only subvolume cannot be removed
		if err := s.setReadOnly(t, false); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
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
