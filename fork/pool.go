package fork

import (
	"errors"
	"fmt"
	"os"

	"forkgate/nsjail/idmap"

	"github.com/containerd/btrfs/v2"
	"golang.org/x/sys/unix"
)

const topSubvolume = 5 // BTRFS_FS_TREE_OBJECTID

// checkPool makes sure that path is the top of a btrfs filesystem on which no file is of use to the host.
func checkPool(path string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: the pool at %s belongs to root", ErrNotRoot, path)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return fmt.Errorf("%w at %s: %w; make one with forkgate pool init", ErrNoPool, path, err)
	}
	if fs.Type != unix.BTRFS_SUPER_MAGIC {
		return fmt.Errorf("%w at %s: no btrfs is mounted there; make one with forkgate pool init, or mount it", ErrNoPool, path)
	}
	if err := checkTop(path); err != nil {
		return err
	}
	for _, flag := range []struct {
		name string
		bit  int64
	}{{"nosuid", unix.ST_NOSUID}, {"nodev", unix.ST_NODEV}, {"noexec", unix.ST_NOEXEC}} {
		if fs.Flags&flag.bit == 0 {
			return fmt.Errorf("%w: %s lacks %s; mount it with %s", ErrPoolFlags, path, flag.name, MountOptions)
		}
	}
	return writable(path, fs)
}

// takesWrites says whether there is any use in beginning something.
func takesWrites(path string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return fmt.Errorf("cannot look at the pool: %w", err)
	}
	return writable(path, fs)
}

// writable looks at what btrfs makes of itself when its disk takes a write badly, until it is unmounted: it refuses to be remounted.
func writable(path string, fs unix.Statfs_t) error {
	if fs.Flags&unix.ST_RDONLY == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s is read-only, as after an error of its disk; see the kernel's log, then unmount and mount it", ErrReadOnlyPool, path)
}

// checkTop wants the whole filesystem: in a subvolume or a directory of it, what the pool's owner sees is not all there is.
func checkTop(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return fmt.Errorf("%w at %s: %w", ErrNoPool, path, err)
	}
	id, err := btrfs.SubvolID(path)
	if err != nil {
		return fmt.Errorf("%w at %s: %w", ErrNoPool, path, err)
	}
	if st.Ino != topInode || id != topSubvolume {
		return fmt.Errorf("%w at %s: it is not the top of a btrfs of its own; mount one there with %s",
			ErrNoPool, path, MountOptions)
	}
	return nil
}

// checkIdmap tries what every pod needs. It returns the user namespace through which files are brought in.
func checkIdmap(pool string) (*os.File, error) {
	ns, err := idmap.Namespace(0)
	if err != nil {
		return nil, err
	}
	top, err := os.Open(pool)
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	defer top.Close()
	clone, err := idmap.Clone(top, ns)
	if errors.Is(err, idmap.ErrUnsupported) {
		err = fmt.Errorf("%w: %w; boot a newer kernel", ErrNoIdmap, err)
	}
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	return ns, clone.Close()
}

// fullPool makes ErrPoolFull of what the kernel says when the disk is full in the middle of something.
func fullPool(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrPoolFull, err)
	}
	return err
}
