// Package idmap shows directories whose files are stored in the foreign UID range under other ids, through idmapped mounts
// (mount_setattr(2)).
//
// Everything in the pool belongs, on disk, to ids from [Foreign] on, which are nobody on the host: a setuid file planted in
// a fork is worth nothing there. A pod sees the same files through a clone of the mount that maps the foreign range to the
// pod's own range; the importer sees them through one that maps it to 0.
//
// The package makes mounts and attaches none; it trusts the descriptor that it is given, which must have been opened
// with openat2(2) where a fork had a say in the names.
package idmap

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/bare"
)

const (
	// Foreign is the first id of the range in which the pool stores its files (systemd's "foreign UID range",
	// https://systemd.io/UIDS-GIDS).
	Foreign = 2147352576
	// Count is how many ids that range, and each pod's, has.
	Count = 65536
)

// Namespace returns a user namespace that, given to an idmapped mount, shows ids from Foreign on as ids from base on.
func Namespace(base uint32) (*os.File, error) {
	memory, err := bare.NewArena(os.Getpagesize())
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	// The kernel takes the mapping from a user namespace, and a namespace needs a process to be made: one that does nothing, and is
	// killed as soon as the namespace is open, or ends by itself where this process is no more: what lives on has this one's mounts.
	child, err := bare.Start(bare.CloneArgs{Flags: unix.CLONE_NEWUSER}, memory, func(p *bare.Program, report uintptr) {
		p.Await("wait", report)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make a user namespace: %w", err)
	}
	defer child.End()
	if err := Write(child.Pid, Foreign, base); err != nil {
		return nil, err
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", child.Pid))
	if err != nil {
		return nil, fmt.Errorf("cannot open a user namespace: %w", err)
	}
	return ns, nil
}

// Write has the user namespace of a process show ids of the outside, from base on, as ids from first on; users and groups alike.
func Write(pid int, first, base uint32) error {
	for _, name := range []string{"uid_map", "gid_map"} {
		file := fmt.Sprintf("/proc/%d/%s", pid, name)
		if err := os.WriteFile(file, fmt.Appendf(nil, "%d %d %d\n", first, base, Count), 0); err != nil {
			return fmt.Errorf("cannot map the ids of a user namespace: %w", err)
		}
	}
	return nil
}

// ErrUnsupported says that the kernel or the filesystem has no idmapped mounts.
var ErrUnsupported = errors.New("no idmapped mounts here; btrfs has them from Linux 5.15 on")

// Clone returns a detached mount of dir with its ids mapped by ns: nosuid, nodev and, whatever the mount dir lies on says,
// with execution allowed. Attach it with move_mount(2). Closing it unmounts it where it was not attached.
func Clone(dir, ns *os.File) (*os.File, error) {
	fd, err := unix.OpenTree(int(dir.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return nil, fmt.Errorf("cannot clone the mount of %s: %w", dir.Name(), err)
	}
	clone := os.NewFile(uintptr(fd), dir.Name())
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{
		Attr_set:  unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
		Attr_clr:  unix.MOUNT_ATTR_NOEXEC, // the pool is noexec, and a clone that keeps that can run nothing
		Userns_fd: uint64(ns.Fd()),
		// systemd shares all mounts: what is mounted below the original must not appear below the clone, nor the reverse.
		Propagation: unix.MS_PRIVATE,
	})
	if err != nil {
		clone.Close()
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			err = ErrUnsupported
		}
		return nil, fmt.Errorf("cannot map the ids of %s: %w", dir.Name(), err)
	}
	return clone, nil
}

// OpenBeneath opens a directory of a tree in which somebody else made the names: no symlink, no mount point, nothing outside
// dir is followed (openat2(2)).
func OpenBeneath(dir *os.File, name string, flags uint64) (*os.File, error) {
	fd, err := unix.Openat2(int(dir.Fd()), name, &unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return nil, &os.PathError{Op: "openat2", Path: dir.Name() + "/" + name, Err: err}
	}
	return os.NewFile(uintptr(fd), dir.Name()+"/"+name), nil
}
