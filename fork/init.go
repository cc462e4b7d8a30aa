package fork

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// MountOptions are how a pool is mounted: its top, and nothing in it of any use to the host.
const MountOptions = "subvolid=5,nosuid,nodev,noexec"

// PoolOptions say where a new pool is to be: on a device, or in a sparse file that is made.
type PoolOptions struct {
	Device string
	File   string
	Size   int64 // bytes, of the file

	// Existing says that there is a pool already, which is only to be mounted.
	Existing bool
}

func (o PoolOptions) place() string { return o.Device + o.File } // one of them is empty

// InitPool makes a btrfs filesystem and nothing else. It returns what to mount and how, for a mount unit. What is no block device, a device that holds
// something already or is in use, and a file that exists, are refused.
func InitPool(ctx context.Context, o PoolOptions) (what, options string, err error) {
	if os.Geteuid() != 0 {
		return "", "", fmt.Errorf("cannot make a pool: %w", ErrNotRoot)
	}
	if (o.Device == "") == (o.File == "") {
		return "", "", errors.New("a pool is made on a device or in a file, one of the two")
	}
	options = MountOptions
	if o.File != "" {
		options = "loop," + MountOptions
	}
	if o.Existing {
		return o.place(), options, checkExisting(o.place())
	}
	if o.Device != "" {
		if err := CheckDevice(ctx, o.Device); err != nil {
			return "", "", err
		}
		return o.Device, options, makeBtrfs(ctx, o.Device)
	}
	if err := CheckSize(o.Size); err != nil {
		return "", "", err
	}
	if err := makeSparse(o.File, o.Size); err != nil {
		return "", "", fmt.Errorf("cannot make a pool: %w", err)
	}
	if err := makeBtrfs(ctx, o.File); err != nil {
		return "", "", errors.Join(err, os.Remove(o.File))
	}
	return o.File, options, nil
}

// poolLabel is the filesystem's, by which a pool is known.
const poolLabel = "forkgate"

// checkExisting says why there is no pool in a file or on a device. Magic and label are at fixed places of a superblock that is 64 KiB in
// (https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html).
func checkExisting(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("there is no pool: %w", err)
	}
	defer f.Close()
	var super struct {
		_     [64]byte
		Magic [8]byte
		_     [227]byte
		Label [256]byte
	}
	if err := binary.Read(io.NewSectionReader(f, 64<<10, 4<<10), binary.LittleEndian, &super); err != nil {
		return fmt.Errorf("there is no pool at %s: %w", path, err)
	}
	if label, _, _ := bytes.Cut(super.Label[:], []byte{0}); string(super.Magic[:]) != "_BHRfS_M" || string(label) != poolLabel {
		return fmt.Errorf("there is no pool at %s: it is no btrfs filesystem with the label %s", path, poolLabel)
	}
	return nil
}

func makeSparse(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, os.ErrExist) && checkExisting(path) == nil:
		return fmt.Errorf("%s is one already: forkgate pool init --existing mounts it", path)
	case errors.Is(err, os.ErrExist):
		return fmt.Errorf("%s is there, and is no pool: move it away, or name another with --file", path)
	case err != nil:
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// makeBtrfs is without --force: mkfs.btrfs then refuses what it knows as somebody's.
func makeBtrfs(ctx context.Context, path string) error {
	return run(ctx, "mkfs.btrfs", "--quiet", "--label", poolLabel, path)
}

// MountPool mounts a pool at once, where there is no systemd to do it.
func MountPool(ctx context.Context, what, where, options string) error {
	return run(ctx, "mount", "-t", "btrfs", "-o", options, what, where)
}

func run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = plainEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "; "))
	}
	return nil
}
