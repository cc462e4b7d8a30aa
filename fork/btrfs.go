package fork

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/containerd/btrfs/v2"
	"golang.org/x/sys/unix"
)

// linux/btrfs.h. The library that snapshots has no removal that leaves the files alone: its SubvolDelete walks the whole
// subvolume by path, which root must not do in a tree that a fork wrote, and which takes seconds.
const (
	ioctlSnapDestroyV2    = 0x5000943f // BTRFS_IOC_SNAP_DESTROY_V2
	ioctlGetSubvolRootref = 0xd000943d // BTRFS_IOC_GET_SUBVOL_ROOTREF
	ioctlSnapCreateV2     = 0x50009417 // BTRFS_IOC_SNAP_CREATE_V2
	subvolQgroupInherit   = 1 << 2     // BTRFS_SUBVOL_QGROUP_INHERIT
	subvolSpecByID        = 1 << 4     // BTRFS_SUBVOL_SPEC_BY_ID
	topInode              = 256        // BTRFS_FIRST_FREE_OBJECTID, the inode of each subvolume's top
)

// volArgs is struct btrfs_ioctl_vol_args_v2.
type volArgs struct {
	fd      int64
	transid uint64
	flags   uint64
	size    uint64         // of inherit
	inherit unsafe.Pointer // with subvolQgroupInherit
	_       [2]uint64
	name    [4040]byte // or, with subvolSpecByID, a uint64
}

// rootrefArgs is struct btrfs_ioctl_get_subvol_rootref_args.
type rootrefArgs struct {
	minTree uint64
	refs    [255]struct{ tree, dir uint64 }
	count   uint8
	_       [7]byte
}

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// nested lists the ids of the subvolumes right below the one at path. The filesystem keeps that list: no file is looked at.
func nested(path string) ([]uint64, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var ids []uint64
	for args := new(rootrefArgs); ; {
		err := ioctl(dir, ioctlGetSubvolRootref, unsafe.Pointer(args))
		if err != nil && !errors.Is(err, unix.EOVERFLOW) { // EOVERFLOW: there are more, go on behind these
			return nil, fmt.Errorf("cannot list the subvolumes in %s: %w", path, err)
		}
		for _, ref := range args.refs[:args.count] {
			ids = append(ids, ref.tree)
		}
		if err == nil {
			return ids, nil
		}
	}
}

// destroy removes the subvolume at path with all that are nested in it. It returns at once; the space comes back within half a
// minute or so. A path that is not there is fine.
func destroy(path string) error {
	pool, err := os.Open(filepath.Dir(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer pool.Close()
	return destroyNested(pool, path)
}

func destroyNested(parent *os.File, path string) error {
	args := new(volArgs)
	copy(args.name[:len(args.name)-1], filepath.Base(path))
	err := ioctl(parent, ioctlSnapDestroyV2, unsafe.Pointer(args))
	if errors.Is(err, unix.ENOTEMPTY) {
		if err = destroyBelow(parent, path); err == nil {
			err = ioctl(parent, ioctlSnapDestroyV2, unsafe.Pointer(args))
		}
	}
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return fmt.Errorf("cannot remove the subvolume %s: %w", path, err)
}

// destroyBelow removes what is nested in the subvolume at path, deepest first and by id: their names were made by others and
// are not followed.
func destroyBelow(pool *os.File, path string) error {
	top, err := btrfs.SubvolID(path)
	if err != nil {
		return err
	}
	all, err := btrfs.SubvolList(path)
	if err != nil {
		return fmt.Errorf("cannot list the subvolumes of the pool: %w", err)
	}
	for _, id := range descendants(all, top) {
		args := &volArgs{flags: subvolSpecByID}
		*(*uint64)(unsafe.Pointer(&args.name)) = id
		if err := ioctl(pool, ioctlSnapDestroyV2, unsafe.Pointer(args)); err != nil {
			return fmt.Errorf("cannot remove subvolume %d below %s: %w", id, path, err)
		}
	}
	return nil
}

func descendants(all []btrfs.Info, parent uint64) (ids []uint64) {
	for _, info := range all {
		if info.ParentID == parent {
			ids = append(append(ids, descendants(all, info.ID)...), info.ID)
		}
	}
	return ids
}
