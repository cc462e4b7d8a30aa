// Package mount wraps the kernel's descriptor-based mount calls (fsopen(2), open_tree(2), move_mount(2)), so that the
// trees of pods and sessions are built without one path that somebody else could redirect.
package mount

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/idmap"
)

// Attributes of mounts, to be combined.
const (
	ReadOnly = unix.MOUNT_ATTR_RDONLY
	NoSUID   = unix.MOUNT_ATTR_NOSUID
	NoDev    = unix.MOUNT_ATTR_NODEV
	NoExec   = unix.MOUNT_ATTR_NOEXEC
)

// New makes a filesystem that is mounted nowhere yet. Options are "key=value" or "flag".
func New(fstype string, attributes int, options ...Option) (*os.File, error) {
	fail := func(err error) (*os.File, error) { return nil, fmt.Errorf("cannot make a %s: %w", fstype, err) }
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(fs)
	// What the kernel logs and /proc/mounts shows.
	options = append(options, Option{"source", fstype})
	for _, o := range options {
		if err := o.set(fs); err != nil {
			return fail(fmt.Errorf("option %s=%s: %w", o.Key, o.Value, err))
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return fail(err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return fail(err)
	}
	return os.NewFile(uintptr(fd), fstype), nil
}

// Option is one option of a filesystem; without a Value it is a flag.
type Option struct{ Key, Value string }

func (o Option) set(fs int) error {
	if o.Value == "" {
		return unix.FsconfigSetFlag(fs, o.Key)
	}
	return unix.FsconfigSetString(fs, o.Key, o.Value)
}

// Clone makes a detached copy of the mount at the directory or file name below dir ("" for dir itself), with attributes
// added. What is mounted below it is not copied, and no later mount spreads from one to the other.
func Clone(dir *os.File, name string, attributes uint64) (*os.File, error) {
	fail := func(err error) (*os.File, error) {
		return nil, fmt.Errorf("cannot clone the mount at %s/%s: %w", dir.Name(), name, err)
	}
	fd, err := unix.OpenTree(int(dir.Fd()), name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return fail(err)
	}
	attr := unix.MountAttr{Attr_set: attributes, Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		unix.Close(fd)
		return fail(err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Attach mounts a detached mount on a directory or file that is already open.
func Attach(mnt, on *os.File) error {
	err := unix.MoveMount(int(mnt.Fd()), "", int(on.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("cannot mount on %s: %w", on.Name(), err)
	}
	return nil
}

// AttachAt mounts a detached mount on what name is below root; no symbolic link and no other mount is followed on the way.
func AttachAt(mnt, root *os.File, name string) error {
	on, err := idmap.OpenBeneath(root, name, unix.O_PATH)
	if err != nil {
		return err
	}
	defer on.Close()
	return Attach(mnt, on)
}

// SetReadOnly makes a mount read-only after something was put into it.
func SetReadOnly(mnt *os.File) error {
	err := unix.MountSetattr(int(mnt.Fd()), "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: ReadOnly})
	if err != nil {
		return fmt.Errorf("cannot make %s read-only: %w", mnt.Name(), err)
	}
	return nil
}
