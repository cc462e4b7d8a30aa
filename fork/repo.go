package fork

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/containerd/btrfs/v2"
	"golang.org/x/sys/unix"
)

// CreateRepo makes a grand repository with what source holds as its data. Everything in it then belongs to 7111, as whom
// sessions run, unless source keeps its owners. After an error, and after ctx ends, nothing is left of it.
func (s *Store) CreateRepo(ctx context.Context, name string, source Source, progress Progress) (_ Tree, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot create the repository %s: %w", name, err)
		}
	}()
	t := Tree{GUID: newGUID(), Repo: name, Grand: true, Rootfs: s.registry.currentRootfs(), Made: time.Now().UTC()}
	if err := s.checkRootfs(); err != nil {
		return t, err
	}
	if err := s.checkRoom(); err != nil {
		return t, err
	}
	return s.makeRepo(ctx, t, source, progress)
}

func (s *Store) makeRepo(ctx context.Context, t Tree, source Source, progress Progress) (_ Tree, err error) {
	w := s.begin()
	defer w.end(&err)
	guid, dirs := t.GUID, s.Dirs(t)
	steps := []struct {
		name      string
		try, undo func() error
	}{
		{"record",
			func() (err error) { t, err = s.registry.claim(t, Share{}); return err },
			func() error { return s.registry.forget(guid) }},
		{"directory",
			func() error { return s.furnish(w, t, false) },
			func() error { return s.raze(dirs.Base) }},
		{"tree", func() error { return s.makeContent(ctx, source, dirs, progress) }, nil},
		{"sync", func() error { return syncPool(s.pool) }, nil},
		{"ready",
			func() error { return s.finish(&t, 0) }, nil},
	}
	for _, step := range steps {
		if err := w.do(step.name, step.try, step.undo); err != nil {
			return t, err
		}
	}
	return t, nil
}

// makeContent makes the tree, with what source holds in it.
func (s *Store) makeContent(ctx context.Context, source Source, dirs Dirs, progress Progress) error {
	if source.Stream != nil {
		return s.receive(ctx, source, dirs, progress)
	}
	if err := makeTree(dirs); err != nil {
		return err
	}
	return s.copyIn(ctx, source, dirs.Data, progress)
}

func makeTree(dirs Dirs) error {
	if err := btrfs.SubvolCreate(dirs.Tree); err != nil {
		return fmt.Errorf("cannot make %s: %w", dirs.Tree, err)
	}
	for _, dir := range []struct {
		path  string
		owner int
		mode  os.FileMode
	}{{dirs.Data, poolSession, 0o755}, {dirs.Docker, poolRoot, 0o710}} {
		if err := os.Mkdir(dir.path, 0o700); err != nil {
			return err
		}
		if err := own(dir.path, dir.owner, dir.mode); err != nil {
			return err
		}
	}
	return nil
}

// syncPool puts what was copied on the disk before the record says that it is there.
func syncPool(pool string) error {
	dir, err := os.Open(pool)
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.Syncfs(int(dir.Fd()))
}
