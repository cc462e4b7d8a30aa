package fork

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/containerd/btrfs/v2"
)

// charged is how many bytes of the pool a tree has written and somebody still has, as of the last commit. What production rewrites
// while a fork shares the old data stays charged to it: by how much that has grown since a fork was made, the fork may hold back.
func (s *Store) charged(t Tree) (uint64, error) {
	if !t.Grand {
		return s.Used(t)
	}
	id, err := btrfs.SubvolID(s.Dirs(t).Tree)
	if err != nil {
		return 0, fmt.Errorf("cannot tell how much %s uses: %w", t.Ref(), err)
	}
	charged, err := kernelSays(s.sysfs, fmt.Sprintf("qgroups/0_%d/referenced", id))
	if err != nil {
		return 0, fmt.Errorf("cannot tell how much %s uses: %w", t.Ref(), err)
	}
	return charged, nil
}

// sharedBy is what a new fork remembers of its parent: the snapshot has just brought all that the parent wrote to the disk. Of a parent
// that says nothing it remembers nothing, and is believed to hold back all that the parent has.
func (s *Store) sharedBy(parent Tree) uint64 {
	charged, err := s.charged(parent)
	if err != nil {
		s.opts.Log.Warn("it cannot be told what a fork will hold back", "parent", parent.Ref(), "error", err)
	}
	return charged
}

// holds is how many bytes the pool could get back with a fork, at best: its own, and what it may keep of its parent's old data. What the
// parent only removed is not seen, until it writes as much again. What cannot be told counts as much.
func (s *Store) holds(t Tree) uint64 {
	own, err := s.Used(t)
	if err != nil {
		return math.MaxUint64
	}
	parent, ok := s.registry.get(t.Parent)
	if !ok { // another fork, which is gone: what it wrote is charged to nobody that could be asked
		return math.MaxUint64
	}
	charged, err := s.charged(parent)
	if err != nil {
		return math.MaxUint64
	}
	return own + max(charged, t.Shared) - t.Shared
}

// leastWorth is the part of the reserve that it is worth to end a fork for.
const leastWorth = 64

// inOrder lists the forks as they go when the pool is tight: first those that hold something back, the oldest first, and only then the
// others, whose end would help production little. Frozen ones are the last.
func (s *Store) inOrder(room Room) []Tree {
	forks := s.Forks("")
	turn := map[string]int{}
	for _, t := range forks {
		if s.holds(t) < room.Reserve/leastWorth {
			turn[t.GUID] = 1
		}
		if !t.Frozen.IsZero() {
			turn[t.GUID] += 2
		}
	}
	slices.SortFunc(forks, func(a, b Tree) int {
		return cmp.Or(cmp.Compare(turn[a.GUID], turn[b.GUID]), a.Made.Compare(b.Made))
	})
	return forks
}
