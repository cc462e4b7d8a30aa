package fork

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// linux/btrfs.h and linux/btrfs_tree.h: looking things up in the filesystem's own trees.
const (
	ioctlTreeSearch = 0xd0009411         // BTRFS_IOC_TREE_SEARCH
	rootTree        = 1                  // BTRFS_ROOT_TREE_OBJECTID
	quotaTree       = 8                  // BTRFS_QUOTA_TREE_OBJECTID
	orphanObject    = math.MaxUint64 - 4 // BTRFS_ORPHAN_OBJECTID, which is -5
	orphanItem      = 48                 // BTRFS_ORPHAN_ITEM_KEY: (ORPHAN, ORPHAN_ITEM, id of a subvolume that is being deleted)
	rootItem        = 132                // BTRFS_ROOT_ITEM_KEY: (subvolume's id, ROOT_ITEM, 0 or a snapshot's transaction)
	qgroupStatus    = 240                // BTRFS_QGROUP_STATUS_KEY: (0, QGROUP_STATUS, 0)
	qgroupInfo      = 242                // BTRFS_QGROUP_INFO_KEY: (0, QGROUP_INFO, group)
	qgroupRelation  = 246                // BTRFS_QGROUP_RELATION_KEY: (group, QGROUP_RELATION, group), each pair both ways round
	searchHeader    = 32                 // sizeof(struct btrfs_ioctl_search_header)
)

// searchArgs is struct btrfs_ioctl_search_args.
type searchArgs struct {
	tree                    uint64
	minObject, maxObject    uint64
	minOffset, maxOffset    uint64
	minTransid, maxTransid  uint64
	minType, maxType, nr, _ uint32
	_                       [4]uint64
	buf                     [4096 - 104]byte
}

// found is one item of a tree: the third part of its key, and its content.
type found struct {
	offset uint64
	data   []byte
}

// search lists the items of one object and one type, by offset. A tree that is not there is ENOENT.
func search(pool *os.File, tree, object uint64, kind uint32) (items []found, err error) {
	args := &searchArgs{tree: tree, minObject: object, maxObject: object, maxOffset: math.MaxUint64,
		maxTransid: math.MaxUint64, minType: kind, maxType: kind}
	for {
		args.nr = 4096 // as many as fit
		if err := ioctl(pool, ioctlTreeSearch, unsafe.Pointer(args)); err != nil {
			return nil, err
		}
		at := 0
		for range args.nr {
			header := args.buf[at:]
			offset, size := binary.NativeEndian.Uint64(header[16:]), int(binary.NativeEndian.Uint32(header[28:]))
			at += searchHeader + size
			items = append(items, found{offset, append([]byte(nil), header[searchHeader:searchHeader+size]...)})
			if offset == math.MaxUint64 {
				return items, nil
			}
			args.minOffset = offset + 1
		}
		if args.nr == 0 {
			return items, nil
		}
	}
}

// gone reports whether nothing is left of a subvolume that was removed: until then its space is not free.
func gone(pool *os.File, subvolume uint64) (bool, error) {
	items, err := search(pool, rootTree, subvolume, rootItem)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return false, fmt.Errorf("cannot look for subvolume %d: %w", subvolume, err)
	}
	return len(items) == 0, nil
}

// returning counts the subvolumes that were removed and are not yet gone.
func returning(pool *os.File) (int, error) {
	items, err := search(pool, rootTree, orphanObject, orphanItem)
	if err != nil {
		return 0, fmt.Errorf("cannot look for subvolumes that were removed: %w", err)
	}
	return len(items), nil
}
