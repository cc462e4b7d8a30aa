package fork

import (
	"context"
	"errors"
	"fmt"
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
}

// InitPool makes a btrfs filesystem and nothing else. It returns what to mount and how, for a mount unit. A device that
// holds a filesystem already, and a file that exists, are refused.
func InitPool(ctx context.Context, o PoolOptions) (what, options string, err error) {
	if os.Geteuid() != 0 {
		return "", "", fmt.Errorf("cannot make a pool: %w", ErrNotRoot)
	}
	if (o.Device == "") == (o.File == "") {
		return "", "", errors.New("a pool is made on a device or in a file, one of the two")
	}
	if o.Device != "" {
		return o.Device, MountOptions, makeBtrfs(ctx, o.Device)
	}
	if err := makeSparse(o.File, o.Size); err != nil {
		return "", "", fmt.Errorf("cannot make a pool: %w", err)
	}
	if err := makeBtrfs(ctx, o.File); err != nil {
		return "", "", errors.Join(err, os.Remove(o.File))
	}
	return o.File, "loop," + MountOptions, nil
}

func makeSparse(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

func makeBtrfs(ctx context.Context, path string) error {
	return run(ctx, "mkfs.btrfs", "--quiet", "--label", "forkgate", path)
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
