package fork

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"
)

const ioctlFsInfo = 0x8400941f // BTRFS_IOC_FS_INFO, linux/btrfs.h

// Used says how many bytes of the pool are charged to a fork. A grand tree, which has no group, is ErrGrand.
func (s *Store) Used(t Tree) (used uint64, err error) {
	if t.Grand {
		return 0, fmt.Errorf("%s: %w", t.Ref(), ErrGrand)
	}
	err = s.withPool(func(pool *os.File) error {
		var info [1024]byte // struct btrfs_ioctl_fs_info_args: max_id, num_devices, fsid[16], ...
		if err := ioctl(pool, ioctlFsInfo, unsafe.Pointer(&info)); err != nil {
			return err
		}
		id := hex.EncodeToString(info[16:32])
		uuid := strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
		text, err := os.ReadFile(filepath.Join("/sys/fs/btrfs", uuid, "qgroups", fmt.Sprintf("1_%d", t.Slot), "referenced"))
		if err != nil {
			return err
		}
		used, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("cannot tell how much %s uses: %w", t.Ref(), err)
	}
	return used, nil
}
