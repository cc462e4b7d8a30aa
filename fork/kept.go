package fork

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/containerd/btrfs/v2"
)

// Kept is a read-only snapshot, at POOL/kept/ID: of a repository, for a backup to be made of and the next one to be told from, or, never Ready, of what
// is compared. It is neither
// repository nor fork: nobody enters it, it has no pod, no slot and no name that a caller could say, and the operator alone hears of it.
type Kept struct {
	ID    string    `json:"id"`   // a GUID
	Of    string    `json:"of"`   // GUID of the repository
	Repo  string    `json:"repo"` // its name
	For   string    `json:"for"`  // where the backup goes
	Made  time.Time `json:"made"`
	State State     `json:"state"`
}

func (k Kept) check() error {
	switch {
	case !isGUID(k.ID), !isGUID(k.Of):
		return fmt.Errorf("%q of %q is no GUID of a GUID", k.ID, k.Of)
	case k.State != Making && k.State != Ready && k.State != Removing:
		return fmt.Errorf("%q is no state", k.State)
	}
	return checkName(k.Repo)
}

// KeptPath is where a kept snapshot is.
func (s *Store) KeptPath(k Kept) string { return filepath.Join(s.pool, "kept", k.ID) }

// Keep sets a repository aside as it is at this instant.
//
// Errors are ErrNotFound, ErrNotGrand, ErrNested, ErrPoolFull, and whatever the disk said. After an error nothing is left.
func (s *Store) Keep(ctx context.Context, t Tree, destination string) (k Kept, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot keep a snapshot of %s: %w", t.Ref(), err)
		}
	}()
	if err := s.checkKeep(t); err != nil {
		return Kept{}, err
	}
	k = Kept{ID: newGUID(), Of: t.GUID, Repo: t.Repo, For: destination, Made: time.Now().UTC(), State: Making}
	w := s.begin()
	defer w.end(&err)
	for _, step := range []struct {
		name      string
		try, undo func() error
	}{
		{"record", func() error { return s.kept.put(k) }, func() error { return s.kept.forget(k.ID) }},
		{"snapshot",
			func() error { return btrfs.SubvolSnapshot(s.KeptPath(k), s.Dirs(t).Tree, true) },
			func() error { return s.destroyKept(k) }},
		// What it is compared with later is what is on the disk.
		{"sync", func() error { return syncPool(s.pool) }, nil},
		{"ready", func() error { k.State = Ready; return s.kept.put(k) }, nil},
	} {
		if err := w.do(step.name, step.try, step.undo); err != nil {
			return Kept{}, err
		}
	}
	return k, nil
}

func (s *Store) checkKeep(t Tree) error {
	if _, ok := s.Get(t.GUID); !ok {
		return ErrNotFound
	}
	if !t.Grand {
		return ErrNotGrand
	}
	if err := s.checkRoom(); err != nil {
		return err
	}
	ids, err := nested(s.Dirs(t).Tree)
	if err == nil && len(ids) > 0 {
		err = fmt.Errorf("%w: it holds %d, and a snapshot would leave them empty; replace them by directories", ErrNested, len(ids))
	}
	return err
}

// Kept lists what is set aside, oldest first.
func (s *Store) Kept() []Kept { return s.kept.list(func(k Kept) bool { return k.State == Ready }) }

// Drop removes a kept snapshot; one that is not there is no error.
func (s *Store) Drop(id string) error {
	for _, k := range s.kept.list(func(k Kept) bool { return k.ID == id }) {
		if err := s.drop(k); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) drop(k Kept) error {
	k.State = Removing
	if err := s.kept.put(k); err != nil {
		return err
	}
	if err := s.opts.step("dropping"); err != nil {
		return err
	}
	if err := s.destroyKept(k); err != nil {
		return err
	}
	return s.kept.forget(k.ID)
}

// destroyKept removes a snapshot from the disk, which knows it when that returns: the record that goes then is all that says it was there.
func (s *Store) destroyKept(k Kept) error {
	return errors.Join(destroy(s.KeptPath(k)), s.withPool(commit))
}

// dropHalf removes what a crash has left half made or half removed, and what was kept of a repository that is gone.
func (s *Store) dropHalf() (err error) {
	for _, k := range s.kept.list(func(Kept) bool { return true }) {
		if _, ok := s.registry.get(k.Of); !ok || k.State != Ready {
			err = errors.Join(err, s.drop(k))
		}
	}
	return err
}

// dropOf removes what is kept of a tree that goes. What is being made is somebody's who is at it, and sees to it himself: the kernel lets nobody
// remove a snapshot that is sent.
func (s *Store) dropOf(guid string) (err error) {
	for _, k := range s.kept.list(func(k Kept) bool { return k.Of == guid && k.State != Making }) {
		err = errors.Join(err, s.drop(k))
	}
	return err
}

// keptOrphans are directories that no record speaks of.
func (s *Store) keptOrphans() (paths []string, err error) {
	entries, err := os.ReadDir(filepath.Join(s.pool, "kept"))
	for _, entry := range entries {
		if len(s.kept.list(func(k Kept) bool { return k.ID == entry.Name() })) == 0 {
			paths = append(paths, filepath.Join(s.pool, "kept", entry.Name()))
		}
	}
	return paths, err
}

// openKept reads the record once, so that what is damaged is found now.
func (s *Store) openKept() error {
	shelf, err := s.Shelf("kept")
	if err != nil {
		return err
	}
	s.kept = keptShelf{shelf}
	_, err = s.kept.read()
	return err
}

// keptShelf is the record of what is kept. It is short, and read for each question.
type keptShelf struct{ *Shelf }

func (s keptShelf) put(k Kept) error {
	if err := k.check(); err != nil {
		return err
	}
	record, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return s.Put(k.ID, record)
}

func (s keptShelf) forget(id string) error { return s.Delete(id) }

// list is what fits, oldest first. That it can be read was seen when it was opened.
func (s keptShelf) list(want func(Kept) bool) (found []Kept) {
	all, err := s.read()
	if err != nil {
		return nil
	}
	for _, k := range all {
		if want(k) {
			found = append(found, k)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Made.Before(found[j].Made) })
	return found
}

func (s keptShelf) read() (all []Kept, err error) {
	records, err := s.All()
	if err != nil {
		return nil, err
	}
	for id, record := range records {
		var k Kept
		if err := json.Unmarshal(record, &k); err != nil {
			return nil, fmt.Errorf("%w: what is kept as %q: %w", ErrDamaged, id, err)
		}
		if err := k.check(); err != nil || k.ID != id {
			return nil, fmt.Errorf("%w: what is kept as %q: %w", ErrDamaged, id, errors.Join(err))
		}
		all = append(all, k)
	}
	return all, nil
}
