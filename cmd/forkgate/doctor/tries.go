package doctor

import (
	"encoding/hex"
	"fmt"
	"os"
	"unsafe"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"forkgate/fork"
	"forkgate/nsjail/idmap"
)

// kernel is the kernel that this process runs on.
type kernel struct{}

func (kernel) UserNamespace() error {
	ns, err := idmap.Namespace(0)
	if err != nil {
		return err
	}
	return ns.Close()
}

func (kernel) IDMap(dir string) error {
	ns, err := idmap.Namespace(0)
	if err != nil {
		return err
	}
	defer ns.Close()
	top, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer top.Close()
	clone, err := idmap.Clone(top, ns)
	if err != nil {
		return err
	}
	return clone.Close()
}

func (kernel) Landlock() int {
	abi, err := landlock.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return abi
}

func (kernel) Synchronized() (bool, error) {
	var t unix.Timex // asks, and sets nothing: its modes are zero
	if _, err := unix.Adjtimex(&t); err != nil {
		return false, fmt.Errorf("cannot read the clock's state: %w", err)
	}
	return t.Status&unix.STA_UNSYNC == 0, nil
}

func (kernel) Room(pool string) (fork.Room, error) { return fork.RoomIn(pool) }

// ioctlFSInfo is BTRFS_IOC_FS_INFO, and fsInfo its argument (linux/btrfs.h).
const ioctlFSInfo = 0x8400941f

type fsInfo struct {
	maxID, devices uint64
	uuid           [16]byte
	_              [992]byte
}

func (kernel) Btrfs(dir string) (uuid string, err error) {
	top, err := os.Open(dir)
	if err != nil {
		return "", err
	}
	defer top.Close()
	var info fsInfo
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, top.Fd(), ioctlFSInfo, uintptr(unsafe.Pointer(&info))); errno != 0 {
		return "", fmt.Errorf("cannot ask %s for its UUID: %w", dir, errno)
	}
	h := hex.EncodeToString(info.uuid[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

func (kernel) Rootfs(pool string) ([]Rootfs, error) { return rootfs(pool) }
