package fork

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"
)

// linux/btrfs.h, of one subvolume.
const (
	ioctlSubvolGetFlags = 0x80089419 // BTRFS_IOC_SUBVOL_GETFLAGS
	ioctlSubvolSetFlags = 0x4008941a // BTRFS_IOC_SUBVOL_SETFLAGS
	subvolReadOnly      = 1 << 1     // BTRFS_SUBVOL_RDONLY
)

// Freeze has a fork stay as it is, for ever: its subvolumes are read-only, and it does not expire. Forks can be made of it. Nothing may run in it: the
// caller has ended that, and lets nobody in.
//
// Errors are ErrNotFound, ErrGrand, ErrNested, of which no fork could be made, and that of a fork which is being made or removed. One that is frozen
// stays so.
func (s *Store) Freeze(guid string) (Tree, error) {
	if t, ok := s.registry.get(guid); ok {
		if ids, err := nested(s.Dirs(t).Tree); err != nil || len(ids) > 0 {
			return Tree{}, fmt.Errorf("cannot freeze %s: %w", t.Ref(), errors.Join(err, ErrNested))
		}
	}
	t, err := s.changeFork(guid, "freeze", func(t *Tree) error {
		if t.Frozen.IsZero() {
			t.Frozen, t.Expires = time.Now().UTC(), time.Time{}
		}
		return nil
	})
	if err != nil {
		return Tree{}, err
	}
	// The record goes first: what is read-only without one would be taken for broken.
	if err := s.opts.step("frozen"); err != nil {
		return Tree{}, err
	}
	return t, s.setReadOnly(t, true)
}

// Thaw has a frozen fork be used again, and its time begin again.
//
// Errors are ErrNotFound, ErrGrand, and that of a fork which is being removed. One that is not frozen stays as it is.
func (s *Store) Thaw(guid string) (Tree, error) {
	t, ok := s.registry.get(guid)
	if ok && t.Frozen.IsZero() {
		return t, nil
	}
	if ok && t.State == Ready {
		if err := s.setReadOnly(t, false); err != nil {
			return Tree{}, err
		}
		if err := s.opts.step("thawed"); err != nil {
			return Tree{}, err
		}
	}
	return s.changeFork(guid, "thaw", func(t *Tree) error {
		t.Frozen, t.Expires = time.Time{}, t.Limits.Expiry(time.Now())
		return nil
	})
}

// Rename gives a fork another tag.
//
// Errors are ErrNotFound, ErrGrand, ErrExists, and that of a fork which is being made or removed.
func (s *Store) Rename(guid, tag string) (Tree, error) {
	if t, ok := s.registry.get(guid); ok && t.Grand {
		return Tree{}, fmt.Errorf("cannot rename %s: %w", t.Ref(), ErrGrand)
	}
	t, err := s.registry.rename(guid, tag)
	if err != nil {
		return Tree{}, fmt.Errorf("cannot rename %s: %w", guid, err)
	}
	return t, nil
}

// changeFork changes the record of a fork that is there whole.
func (s *Store) changeFork(guid, what string, do func(*Tree) error) (Tree, error) {
	t, ok := s.registry.get(guid)
	switch {
	case !ok:
		return Tree{}, fmt.Errorf("fork %s: %w", guid, ErrNotFound)
	case t.Grand:
		return Tree{}, fmt.Errorf("cannot %s %s: %w", what, t.Ref(), ErrGrand)
	}
	return s.registry.change(guid, do, Ready, Ready)
}

// setReadOnly makes what a fork may write read-only, or writable again. What is so already stays so.
func (s *Store) setReadOnly(t Tree, on bool) error {
	dirs := s.Dirs(t)
	for _, path := range []string{dirs.Tree, dirs.Home} {
		if err := setReadOnly(path, on); err != nil {
			return fmt.Errorf("cannot set whether %s of %s is read-only: %w", path, t.Ref(), err)
		}
	}
	return nil
}

func setReadOnly(subvolume string, on bool) error {
	f, err := os.Open(subvolume)
	if err != nil {
		return err
	}
	defer f.Close()
	var flags uint64
	if err := ioctl(f, ioctlSubvolGetFlags, unsafe.Pointer(&flags)); err != nil {
		return err
	}
	want := flags &^ subvolReadOnly
	if on {
		want |= subvolReadOnly
	}
	if want == flags {
		return nil
	}
	return ioctl(f, ioctlSubvolSetFlags, unsafe.Pointer(&want))
}

// refreeze makes read-only what is recorded to be frozen: a crash may have come between.
func (s *Store) refreeze(t Tree) error {
	if t.Frozen.IsZero() {
		return nil
	}
	if err := s.setReadOnly(t, true); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil // it is gone from the pool, which is told of elsewhere
}
