package fork

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	treesBucket    = []byte("trees")    // GUID: Tree as JSON
	settingsBucket = []byte("settings") // "rootfs": digest of the newest
	rootfsKey      = []byte("rootfs")
)

// registry is the record of what exists: on disk, and the same in memory. One process has it open at a time, so memory is
// never behind, and readers never wait for a disk.
type registry struct {
	db    *bbolt.DB
	write sync.Mutex // held by the one who changes, across the write to disk

	mu     sync.RWMutex
	trees  map[string]Tree   // by GUID
	refs   map[string]string // GUID by Ref
	rootfs string
	held   map[string]int // slots of spares, by the GUID of the tree that they will be: this process's alone
}

func openRegistry(path string) (*registry, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second / 2})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%w: another warden holds %s; stop that one first", ErrLocked, path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the registry %s: %w", path, err)
	}
	r := &registry{db: db, trees: map[string]Tree{}, refs: map[string]string{}, held: map[string]int{}}
	if err := r.load(); err != nil {
		db.Close()
		return nil, fmt.Errorf("cannot read the registry %s: %w", path, err)
	}
	return r, nil
}

func (r *registry) load() error {
	return r.db.Update(func(tx *bbolt.Tx) error {
		trees, err := tx.CreateBucketIfNotExists(treesBucket)
		if err != nil {
			return err
		}
		settings, err := tx.CreateBucketIfNotExists(settingsBucket)
		if err != nil {
			return err
		}
		r.rootfs = string(settings.Get(rootfsKey))
		return trees.ForEach(func(guid, record []byte) error {
			t, err := decodeTree(record)
			if err == nil {
				err = r.admit(string(guid), t)
			}
			if err != nil {
				return fmt.Errorf("%w: record %q: %w; restore the file from a backup", ErrDamaged, guid, err)
			}
			return nil
		})
	})
}

// admit takes a record into memory, unless it contradicts another.
func (r *registry) admit(guid string, t Tree) error {
	if guid != t.GUID {
		return fmt.Errorf("it is about %s", t.GUID)
	}
	if other, ok := r.refs[t.Ref()]; ok {
		return fmt.Errorf("%s is %s as well", t.Ref(), other)
	}
	for _, other := range r.trees {
		if other.Slot == t.Slot {
			return fmt.Errorf("slot %d belongs to %s as well", t.Slot, other.GUID)
		}
	}
	r.trees[t.GUID], r.refs[t.Ref()] = t, t.GUID
	return nil
}

func (r *registry) find(repo, tag string) (Tree, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	t, ok := r.trees[r.refs[Tree{Repo: repo, Tag: tag}.Ref()]]
	return t, ok && t.Repo == repo && t.Tag == tag // a repository called shop:one is none, where there is a fork shop:one
}

func (r *registry) taken(repo, tag string) bool {
	_, ok := r.find(repo, tag)
	return ok
}

func (r *registry) get(guid string) (Tree, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	t, ok := r.trees[guid]
	return t, ok
}

func (r *registry) list(want func(Tree) bool) []Tree {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var found []Tree
	for _, t := range r.trees {
		if want(t) {
			found = append(found, t)
		}
	}
	return found
}

// Share is what an owner may have at most.
type Share struct {
	Forks int
	Quota uint64 // bytes that all of them may come to together, by their own quotas; 0: not bounded
}

// Admits reports whether one more fork is within the share, beside those that its owner has, and says why it is not.
func (s Share) Admits(t Tree, owned []Tree) error {
	if len(owned) >= s.Forks {
		return fmt.Errorf("%w: %s has %d, at most %d are allowed", ErrTooManyForks, t.Owner, len(owned), s.Forks)
	}
	const gib = 1 << 30
	all := t.Limits.Quota
	for _, o := range owned {
		all += o.Limits.Quota
	}
	if s.Quota > 0 && all > s.Quota {
		return fmt.Errorf("%w: with this one those of %s could come to %.1f GiB, and %.1f are allowed", ErrTooLarge, t.Owner, float64(all)/gib, float64(s.Quota)/gib)
	}
	return nil
}

// claim records t as being made, in the slot that is held for it, or the lowest free one. A fork has to be within its owner's share.
func (r *registry) claim(t Tree, share Share) (Tree, error) {
	r.write.Lock()
	defer r.write.Unlock()
	if other, ok := r.find(t.Repo, t.Tag); ok && other.State == Removing {
		return Tree{}, fmt.Errorf("%s is %w; try again in a moment", t.Ref(), ErrRemoving)
	} else if ok {
		return Tree{}, fmt.Errorf("%s %w", t.Ref(), ErrExists)
	}
	if parent, ok := r.get(t.Parent); !t.Grand && (!ok || parent.State != Ready || parent.Repo != t.Repo) {
		return Tree{}, fmt.Errorf("the parent of %s: %w", t.Ref(), ErrNotFound)
	}
	if !t.Grand {
		if err := share.Admits(t, r.list(func(o Tree) bool { return !o.Grand && o.Owner == t.Owner })); err != nil {
			return Tree{}, err
		}
	}
	if t.Slot = r.slotOf(t.GUID); t.Slot == Slots {
		return Tree{}, fmt.Errorf("%w: all %d are taken; remove forks", ErrNoSlot, Slots)
	}
	t.State = Making
	if err := t.check(); err != nil {
		return Tree{}, err
	}
	return t, r.save(t)
}

// ready has a tree be ready that was being made, and remembers what it shared with its parent then.
func (r *registry) ready(guid string, shared uint64) (Tree, error) {
	return r.change(guid, func(t *Tree) error { t.Shared = shared; return nil }, Ready, Making)
}

// change moves a record to another state, if it is in one of those given and do, which may change it, has nothing against that.
func (r *registry) change(guid string, do func(*Tree) error, to State, from ...State) (Tree, error) {
	r.write.Lock()
	defer r.write.Unlock()
	t, ok := r.get(guid)
	if !ok {
		return Tree{}, fmt.Errorf("%s: %w", guid, ErrNotFound)
	}
	if to == Removing && t.Grand && len(r.list(func(o Tree) bool { return !o.Grand && o.Repo == t.Repo })) > 0 {
		return Tree{}, fmt.Errorf("%s %w; remove them first", t.Ref(), ErrHasForks)
	}
	for _, state := range from {
		if t.State == state {
			if err := do(&t); err != nil {
				return Tree{}, err
			}
			t.State = to
			return t, r.save(t)
		}
	}
	return Tree{}, fmt.Errorf("%s is %s, and cannot become %s", t.Ref(), t.State, to)
}

// rename gives a fork another tag, which none of its repository has.
func (r *registry) rename(guid, tag string) (Tree, error) {
	return r.change(guid, func(t *Tree) error {
		if t.Tag = tag; r.taken(t.Repo, tag) {
			return fmt.Errorf("%s %w", t.Ref(), ErrExists)
		}
		return t.check()
	}, Ready, Ready)
}

func (r *registry) save(t Tree) error {
	record, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := r.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(treesBucket).Put([]byte(t.GUID), record) }); err != nil {
		return fmt.Errorf("cannot record %s: %w", t.Ref(), err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.refs, r.trees[t.GUID].Ref()) // it may have another name now
	r.trees[t.GUID], r.refs[t.Ref()] = t, t.GUID
	return nil
}

func (r *registry) forget(guid string) error {
	r.write.Lock()
	defer r.write.Unlock()
	t, ok := r.get(guid)
	if !ok {
		return nil
	}
	if err := r.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(treesBucket).Delete([]byte(guid)) }); err != nil {
		return fmt.Errorf("cannot remove the record of %s: %w", t.Ref(), err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.trees, guid)
	delete(r.refs, t.Ref())
	return nil
}

func (r *registry) currentRootfs() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.rootfs
}

func (r *registry) setRootfs(digest string) error {
	r.write.Lock()
	defer r.write.Unlock()
	err := r.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(settingsBucket).Put(rootfsKey, []byte(digest)) })
	if err != nil {
		return fmt.Errorf("cannot record the rootfs: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rootfs = digest
	return nil
}
