package fork

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sort"

	"forkgate/nsjail/idmap"

	"golang.org/x/sync/singleflight"
)

// MaxForks is how many forks an owner has at most, where Options say nothing.
const MaxForks = 8

// Options say where a Store lives and who ends pods.
type Options struct {
	Pool     string // mount point of the btrfs filesystem's top
	Registry string // file; made if missing

	// End ends what runs in a tree and returns once nothing of it lives: only then are the tree's files and its slot given up.
	// It is called for trees that nobody can enter any more, also for those that never had a pod.
	End func(ctx context.Context, guid string) error

	// Prepare starts ahead of time what a fork will need that is made of a spare: guid and slot will be the fork's, dirs are where the
	// spare has its root and home until then. It is ended by End. nil: nothing is started ahead.
	Prepare func(ctx context.Context, spare Tree, dirs Dirs) error

	Share func() Share // of each owner, asked for each fork; nil: MaxForks, of any size

	// Settled reports whether nothing has to be done to a fork of a tree before anybody is in it; nil: something has to be.
	Settled func(parent Tree) bool

	Log *slog.Logger // nil: nowhere

	step func(name string) error // tests stop here; see work.do
}

// Store is the pool with its registry. Its methods may be called from many goroutines.
type Store struct {
	pool      string
	sysfs     string // of the pool's filesystem
	registry  *registry
	foreign   *os.File // user namespace that shows the pool's ids as 0..65535
	once      singleflight.Group
	kept      keptShelf
	comparing chan struct{} // has room for one
	spares    spares
	opts      Options
}

// Open opens pool and registry, after it has made sure that forks can live there. The errors say what to do.
func Open(o Options) (*Store, error) {
	if o.End == nil {
		return nil, errors.New("cannot open a store: nothing says how a pod is ended")
	}
	if o.Share == nil {
		o.Share = func() Share { return Share{Forks: MaxForks} }
	}
	if o.Settled == nil {
		o.Settled = func(Tree) bool { return false }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.step == nil {
		o.step = func(string) error { return nil }
	}
	if err := checkPool(o.Pool); err != nil {
		return nil, err
	}
	if err := EnableQuota(o.Pool); err != nil {
		return nil, fmt.Errorf("cannot limit forks: %w", err)
	}
	foreign, err := checkIdmap(o.Pool)
	if err != nil {
		return nil, err
	}
	s := &Store{pool: o.Pool, foreign: foreign, opts: o, spares: newSpares(), comparing: make(chan struct{}, 1)}
	if s.sysfs, err = sysfsDir(o.Pool); err == nil {
		s.registry, err = openRegistry(o.Registry)
	}
	if err != nil {
		foreign.Close()
		return nil, err
	}
	if err := errors.Join(s.layOut(), s.openKept()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close gives the registry free. Nothing else may be going on.
func (s *Store) Close() error {
	return errors.Join(s.registry.db.Close(), s.foreign.Close())
}

// layOut makes the pool's directories. Only root may enter the pool: that is what keeps names in it out of others' reach.
func (s *Store) layOut() error {
	if err := os.Chmod(s.pool, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"rootfs", "repos", "forks", "spare", "kept"} {
		if err := os.Mkdir(filepath.Join(s.pool, name), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("cannot lay out the pool: %w", err)
		}
	}
	return nil
}

// Find looks a repository (empty tag) or a fork up. What is being made or removed is not there.
func (s *Store) Find(repo, tag string) (Tree, bool) {
	t, ok := s.registry.find(repo, tag)
	return t, ok && t.State == Ready
}

// Get looks a tree up by its GUID.
func (s *Store) Get(guid string) (Tree, bool) {
	t, ok := s.registry.get(guid)
	return t, ok && t.State == Ready
}

// Repos lists the grand repositories, by name.
func (s *Store) Repos() []Tree {
	return byRef(s.registry.list(func(t Tree) bool { return t.Grand && t.State == Ready }))
}

// Forks lists the forks of a repository, all repositories' if repo is empty, by name.
func (s *Store) Forks(repo string) []Tree {
	return byRef(s.registry.list(func(t Tree) bool {
		return !t.Grand && t.State == Ready && (repo == "" || t.Repo == repo)
	}))
}

// Owned lists all forks of an owner, those that are being made or removed as well: what counts for a share.
func (s *Store) Owned(owner string) []Tree {
	return byRef(s.registry.list(func(t Tree) bool { return !t.Grand && t.Owner == owner }))
}

func byRef(trees []Tree) []Tree {
	sort.Slice(trees, func(i, j int) bool { return trees[i].Ref() < trees[j].Ref() })
	return trees
}

// Dirs says where the parts of a tree are.
func (s *Store) Dirs(t Tree) Dirs {
	if t.Grand {
		return dirsBelow(filepath.Join(s.pool, "repos", t.GUID))
	}
	return dirsBelow(filepath.Join(s.pool, "forks", t.GUID))
}

// owner ids of what is made here, as they are stored in the pool.
const (
	poolRoot    = idmap.Foreign
	poolSession = idmap.Foreign + sessionID
	sessionID   = 7111 // uid and gid of sessions in their pod
)
