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

// sysfsDir is where the kernel says live what the ioctls say only as of the last commit (fs/btrfs/sysfs.c).
func sysfsDir(pool string) (string, error) {
	f, err := os.Open(pool)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var info [1024]byte // struct btrfs_ioctl_fs_info_args: max_id, num_devices, fsid[16], ...
	if err := ioctl(f, ioctlFsInfo, unsafe.Pointer(&info)); err != nil {
		return "", fmt.Errorf("cannot tell which filesystem the pool is: %w", err)
	}
	id := hex.EncodeToString(info[16:32])
	return filepath.Join("/sys/fs/btrfs", strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")), nil
}

// SameFilesystem reports whether a path is in the pool's filesystem, whichever subvolume it is in.
func SameFilesystem(pool, path string) bool {
	here, err := sysfsDir(pool)
	there, other := sysfsDir(path)
	return err == nil && other == nil && here == there
}

// kernelSays reads a number of bytes below the pool's directory in sysfs.
func kernelSays(sysfs, name string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join(sysfs, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// Used says how many bytes of the pool are charged to a fork. A grand tree, which has no group, is ErrGrand.
func (s *Store) Used(t Tree) (uint64, error) {
	if t.Grand {
		return 0, fmt.Errorf("%s: %w", t.Ref(), ErrGrand)
	}
	used, err := kernelSays(s.sysfs, fmt.Sprintf("qgroups/1_%d/referenced", t.Slot))
	if err != nil {
		return 0, fmt.Errorf("cannot tell how much %s uses: %w", t.Ref(), err)
	}
	return used, nil
}
