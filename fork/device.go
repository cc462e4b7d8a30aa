package fork

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// leastPool is the size below which mkfs.btrfs makes nothing, in bytes, or nearly so: it wants 109 MiB.
const leastPool = 128 << 20

// CheckSize says why no pool can be made in so many bytes.
func CheckSize(bytes int64) error {
	if bytes < leastPool {
		return fmt.Errorf("%d MiB are too few for a pool: it takes %d", bytes>>20, leastPool>>20)
	}
	return nil
}

// CheckFile says why no pool can be made in a file of so many bytes in a directory: filesystems have files up to a size. It leaves nothing there.
func CheckFile(dir string, bytes int64) error {
	if err := CheckSize(bytes); err != nil {
		return err
	}
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil // there is no such directory yet, or its filesystem has no files without names; making the pool says what is the matter
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, bytes); err != nil {
		return fmt.Errorf("no file in %s can become as large as %d GiB: %w", dir, bytes>>30, err)
	}
	return nil
}

// CheckDevice says why no pool can be made on a device. It writes nothing. What is no block device is refused here alone: mkfs.btrfs takes a regular file
// as it is, and what that holds is lost.
func CheckDevice(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot make a pool: %w", err)
	}
	if info.Mode()&fs.ModeDevice == 0 || info.Mode()&fs.ModeCharDevice != 0 {
		return fmt.Errorf("%s is no block device, and is left as it is: name an empty disk, such as /dev/sdb, or none; "+
			"forkgate pool init --file FILE --size 20G makes a new file for the pool", path)
	}
	if err := checkFree(path); err != nil {
		return err
	}
	return checkBlank(ctx, path)
}

// checkFree opens a block device as a mount does: that fails while it has another user (open(2), O_EXCL), and for a disk while one of its partitions has.
func checkFree(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%s is in use: it is mounted, swap, or part of another device, or a partition of it is; lsblk %[1]s shows it", path)
	}
	if err != nil {
		return fmt.Errorf("cannot make a pool: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot make a pool: %w", err)
	}
	if err := CheckSize(size); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// checkBlank looks for filesystems, tables of partitions, and parts of other devices. Without --all wipefs(8) lists them, and no more.
func checkBlank(ctx context.Context, path string) error {
	cmd := exec.CommandContext(ctx, "wipefs", "--no-act", "--noheadings", "--output", "TYPE", path)
	cmd.Env = plainEnv()
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("cannot tell whether %s is empty: wipefs: %w", path, err)
	}
	if found := strings.Fields(string(out)); len(found) > 0 {
		slices.Sort(found)
		return fmt.Errorf("%s is not empty, and is left as it is: there is %s on it; name another, or if nobody needs that: wipefs --all %[1]s",
			path, strings.Join(slices.Compact(found), ", "))
	}
	return nil
}
