package fork

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/btrfs/v2"
	"golang.org/x/sys/unix"
)

// furnish gives t its directory with root and home in it: the spare one of its GUID, or one made now. A fork's are in its quota group
// then.
func (s *Store) furnish(w *work, t Tree, spare bool) error {
	if err := s.place(w, t, spare); err != nil || t.Grand {
		return err
	}
	dirs := s.Dirs(t)
	return s.withPool(func(pool *os.File) error {
		for _, dir := range []string{dirs.Root, dirs.Home} {
			id, err := btrfs.SubvolID(dir)
			if err != nil {
				return fmt.Errorf("cannot tell which subvolume %s is: %w", dir, err)
			}
			if err := join(pool, id, t.Slot); err != nil {
				return err
			}
			if err := w.hook("joined " + filepath.Base(dir)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) place(w *work, t Tree, spare bool) error {
	from, to := s.spareDirs(t.GUID).Base, s.Dirs(t).Base
	if !spare {
		return s.build(w, to, t.Rootfs)
	}
	// NOREPLACE claims the name, as mkdir would.
	if err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE); err != nil {
		return fmt.Errorf("cannot rename %s to %s: %w", from, to, err)
	}
	return w.hook("renamed")
}

// build makes a directory with a snapshot of a rootfs and an empty home.
func (s *Store) build(w *work, base, rootfs string) error {
	if err := os.Mkdir(base, 0o700); err != nil {
		return err
	}
	if err := w.hook("mkdir"); err != nil {
		return err
	}
	dirs := dirsBelow(base)
	// Read-only: a root that a fork could write would let it redirect the mounts of its next start.
	if err := btrfs.SubvolSnapshot(dirs.Root, s.rootfsDir(rootfs), true); err != nil {
		return fmt.Errorf("cannot snapshot the rootfs %s: %w", rootfs, err)
	}
	if err := w.hook("root"); err != nil {
		return err
	}
	if err := btrfs.SubvolCreate(dirs.Home); err != nil {
		return fmt.Errorf("cannot make %s: %w", dirs.Home, err)
	}
	return own(dirs.Home, poolRoot, 0o755)
}

// own gives a directory that was just made to an id of the foreign range.
func own(dir string, id int, mode os.FileMode) error {
	if err := os.Lchown(dir, id, id); err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}

// raze removes a tree's directory with everything in it. It does not mind what is missing already.
func (s *Store) raze(base string) error {
	dirs := dirsBelow(base)
	for _, subvolume := range []string{dirs.Tree, dirs.Root, dirs.Home, incoming(dirs)} {
		if err := destroy(subvolume); err != nil {
			return err
		}
		if err := s.opts.step("razed " + filepath.Base(subvolume)); err != nil {
			return err
		}
	}
	if err := os.Remove(base); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
