package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Btrfs needs root and btrfs-progs, and mounts a new btrfs of 4 GiB, in a sparse file, as a pool is mounted. It returns where.
func Btrfs(t testing.TB) string {
	t.Helper()
	return BtrfsOf(t, 4<<30)
}

// BtrfsOf is Btrfs with a size of the caller's own, in bytes; btrfs wants about 128 MiB at least.
func BtrfsOf(t testing.TB, size int64) string {
	t.Helper()
	return BtrfsIn(t, t.TempDir(), size)
}

// BtrfsIn is BtrfsOf in a directory of the caller's own, which has nothing in it.
func BtrfsIn(t testing.TB, dir string, size int64) string {
	t.Helper()
	Root(t)
	Tools(t, "mkfs.btrfs", "mount", "umount")
	image, pool := filepath.Join(dir, "pool.btrfs"), filepath.Join(dir, "pool")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(pool, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.btrfs", "--quiet", image)
	run(t, "mount", "-t", "btrfs", "-o", "loop,subvolid=5,nosuid,nodev,noexec", image, pool)
	t.Cleanup(func() { run(t, "umount", pool) }) // frees the loop device as well
	return pool
}

// Memory needs root, and mounts a directory that no disk is behind: for what waits for a disk thousands of times, and is not about disks.
func Memory(t testing.TB) string {
	t.Helper()
	Root(t)
	Tools(t, "mount", "umount")
	dir := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", dir)
	t.Cleanup(func() { run(t, "umount", dir) })
	return dir
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}
