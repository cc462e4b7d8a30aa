package fork

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Simple quotas (Linux 6.7) charge each extent to the subvolume that wrote it first. The limit of a fork is on a group of level
// 1 that holds all of its subvolumes: a subvolume that is made inside one of them joins its groups, where a limit on the one
// subvolume alone is got round by that. Each tree's group is named by its slot. Grand trees have none, because what production
// rewrites stays charged to it for as long as a fork shares the old data.
const (
	ioctlQuotaCtl     = 0xc0109428 // BTRFS_IOC_QUOTA_CTL
	ioctlQgroupAssign = 0x40189429 // BTRFS_IOC_QGROUP_ASSIGN
	ioctlQgroupCreate = 0x4010942a // BTRFS_IOC_QGROUP_CREATE
	ioctlQgroupLimit  = 0x8030942b // BTRFS_IOC_QGROUP_LIMIT

	enableSimpleQuota = 4      // BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA
	statusOn          = 1 << 0 // BTRFS_QGROUP_STATUS_FLAG_ON
	statusSimple      = 1 << 3 // BTRFS_QGROUP_STATUS_FLAG_SIMPLE_MODE
	limitReferenced   = 1 << 0 // BTRFS_QGROUP_LIMIT_MAX_RFER
	levelShift        = 48     // BTRFS_QGROUP_LEVEL_SHIFT
)

// EnableQuota turns simple quotas on, for good: such a pool needs a kernel that knows them from then on. On a pool that has
// them it does nothing. A kernel without them, and a pool with quotas of another kind, are ErrNoQuota.
func EnableQuota(path string) error {
	pool, err := os.Open(path)
	if err != nil {
		return err
	}
	defer pool.Close()
	if simple, err := simpleQuota(pool); err != nil || simple {
		return err
	}
	args := [2]uint64{enableSimpleQuota}
	if err := ioctl(pool, ioctlQuotaCtl, unsafe.Pointer(&args)); err != nil {
		return noQuota(err)
	}
	return nil
}

// noQuota says what to do about a kernel that does not turn simple quotas on.
func noQuota(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
		return fmt.Errorf("%w: btrfs has them since kernel 6.7; boot a newer kernel, on Debian 12 the one from bookworm-backports", ErrNoQuota)
	}
	return fmt.Errorf("%w: %w", ErrNoQuota, err)
}

// simpleQuota reports whether simple quotas are on. Quotas of the other kind are an error: the kernel would let them be, and
// limit nothing as it should.
func simpleQuota(pool *os.File) (bool, error) {
	status, err := search(pool, quotaTree, 0, qgroupStatus)
	if errors.Is(err, unix.ENOENT) || err == nil && len(status) == 0 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot look for quotas: %w", err)
	}
	// struct btrfs_qgroup_status_item: version, generation, flags, on disk little-endian
	flags := binary.LittleEndian.Uint64(status[0].data[16:])
	if flags&(statusOn|statusSimple) != statusOn|statusSimple {
		return false, fmt.Errorf("%w: the pool has quotas of another kind; turn them off with btrfs quota disable, then start again", ErrNoQuota)
	}
	return true, nil
}

// groupOf is the quota group of the tree in a slot.
func groupOf(slot int) uint64 { return 1<<levelShift | uint64(slot) }

// makeGroup makes the group of a slot, limited before anything is in it.
func (s *Store) makeGroup(slot int, quota uint64) error {
	// What an earlier tree in this slot may have left would count against this one.
	if err := s.dropGroup(slot); err != nil {
		return err
	}
	return s.withPool(func(pool *os.File) error {
		create := [2]uint64{1, groupOf(slot)}
		if err := ioctl(pool, ioctlQgroupCreate, unsafe.Pointer(&create)); err != nil {
			return fmt.Errorf("cannot make the quota group 1/%d: %w", slot, err)
		}
		return setLimit(pool, slot, quota)
	})
}

// setLimit limits a group; zero lifts the limit.
func setLimit(pool *os.File, slot int, quota uint64) error {
	// struct btrfs_ioctl_qgroup_limit_args: group; flags, max_rfer, max_excl, rsv_rfer, rsv_excl. All bits set is no limit.
	args := [6]uint64{groupOf(slot), limitReferenced, quota}
	if quota == 0 {
		args[2] = ^uint64(0)
	}
	if err := ioctl(pool, ioctlQgroupLimit, unsafe.Pointer(&args)); err != nil {
		return fmt.Errorf("cannot limit the quota group 1/%d: %w", slot, err)
	}
	return nil
}

// join puts a subvolume into a group, with what it holds already.
func join(pool *os.File, subvolume uint64, slot int) error {
	args := [3]uint64{1, subvolume, groupOf(slot)}
	if err := ioctl(pool, ioctlQgroupAssign, unsafe.Pointer(&args)); err != nil {
		return fmt.Errorf("cannot put subvolume %d into the quota group 1/%d: %w", subvolume, slot, err)
	}
	return nil
}

// liftLimit comes before a fork's subvolumes are removed: in one that is full to its limit no nested one can be removed.
func (s *Store) liftLimit(slot int) error {
	return s.withPool(func(pool *os.File) error {
		if err := setLimit(pool, slot, 0); !errors.Is(err, unix.ENOENT) {
			return err
		}
		return nil
	})
}

// dropGroup removes a group. Subvolumes that are still on their way out leave it first: what they hold is charged to nobody
// any more. A group that is not there is fine.
func (s *Store) dropGroup(slot int) error {
	return s.withPool(func(pool *os.File) error {
		ids, err := members(pool, slot)
		if err != nil {
			return err
		}
		for _, id := range ids {
			args := [3]uint64{0, id, groupOf(slot)}
			if err := ioctl(pool, ioctlQgroupAssign, unsafe.Pointer(&args)); err != nil && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("cannot take subvolume %d out of the quota group 1/%d: %w", id, slot, err)
			}
		}
		remove := [2]uint64{0, groupOf(slot)}
		if err := ioctl(pool, ioctlQgroupCreate, unsafe.Pointer(&remove)); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("cannot remove the quota group 1/%d: %w", slot, err)
		}
		return nil
	})
}

// members lists the subvolumes of a group.
func members(pool *os.File, slot int) (ids []uint64, err error) {
	items, err := search(pool, quotaTree, groupOf(slot), qgroupRelation)
	if err != nil {
		return nil, fmt.Errorf("cannot list the quota group 1/%d: %w", slot, err)
	}
	for _, item := range items {
		ids = append(ids, item.offset)
	}
	return ids, nil
}

// groups lists the pool's quota groups, those of single subvolumes included.
func groups(pool *os.File) (ids []uint64, err error) {
	items, err := search(pool, quotaTree, 0, qgroupInfo)
	if err != nil {
		return nil, fmt.Errorf("cannot list the quota groups: %w", err)
	}
	for _, item := range items {
		ids = append(ids, item.offset)
	}
	return ids, nil
}

// reclaimGroups removes the groups of slots that no record has. Nothing else may be going on: a slot may be taken any time.
func (s *Store) reclaimGroups() error {
	used := map[uint64]bool{}
	for _, t := range s.registry.list(func(Tree) bool { return true }) {
		used[groupOf(t.Slot)] = true
	}
	return s.withPool(func(pool *os.File) error {
		ids, err := groups(pool)
		for _, id := range ids {
			if id>>levelShift == 1 && !used[id] {
				err = errors.Join(err, s.dropGroup(int(id&(1<<levelShift-1))))
			}
		}
		return err
	})
}

// sweepGroups removes the groups of single subvolumes that are gone altogether, which kernels before 6.11 keep. One that still
// has something charged to it, which others share, stays until that is gone too.
func (s *Store) sweepGroups() error {
	return s.withPool(func(pool *os.File) error {
		ids, err := groups(pool)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if id>>levelShift != 0 || id < topInode {
				continue
			}
			if isGone, lookErr := gone(pool, id); lookErr != nil || !isGone {
				err = errors.Join(err, lookErr)
				continue
			}
			remove := [2]uint64{0, id}
			_ = ioctl(pool, ioctlQgroupCreate, unsafe.Pointer(&remove)) // EBUSY, or the kernel was faster: either is fine
		}
		return err
	})
}

func (s *Store) withPool(do func(pool *os.File) error) error {
	pool, err := os.Open(s.pool)
	if err != nil {
		return err
	}
	defer pool.Close()
	return do(pool)
}

// qgroupInherit is struct btrfs_qgroup_inherit with one group.
type qgroupInherit struct {
	flags, groups, refCopies, exclCopies uint64
	limit                                [5]uint64
	group                                uint64
}

// snapshotInto makes a snapshot that is in the group of a slot from its first byte on.
func snapshotInto(dest, source string, slot int) error {
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	inherit := &qgroupInherit{groups: 1, group: groupOf(slot)}
	return snapshotOf(from, dest, volArgs{flags: subvolQgroupInherit, size: uint64(unsafe.Sizeof(*inherit)), inherit: unsafe.Pointer(inherit)})
}

// snapshotOf makes a snapshot of a subvolume that is open, which the kernel makes sure that it is.
func snapshotOf(from *os.File, dest string, args volArgs) error {
	parent, err := os.Open(filepath.Dir(dest))
	if err != nil {
		return err
	}
	defer parent.Close()
	args.fd = int64(from.Fd())
	copy(args.name[:len(args.name)-1], filepath.Base(dest))
	if err := ioctl(parent, ioctlSnapCreateV2, unsafe.Pointer(&args)); err != nil {
		return fmt.Errorf("cannot snapshot %s: %w", from.Name(), err)
	}
	return nil
}
