package need

import (
	"os"
	"path/filepath"
	"testing"
)

// Rootfs needs the tools for inside sessions as make build/rootfs.tar builds them, and returns the tar file's path.
func Rootfs(t testing.TB) string {
	t.Helper()
	file := filepath.Join(Checkout(t), "build", "rootfs.tar")
	if _, err := os.Stat(file); err != nil {
		missing(t, "build/rootfs.tar: run make build/rootfs.tar, as root")
	}
	return file
}

// NewBtrfs needs a Debian with btrfs-progs that know simple quotas, as make build/btrfs.tar builds it, and returns the tar file's path.
func NewBtrfs(t testing.TB) string {
	t.Helper()
	Root(t)
	file := filepath.Join(Checkout(t), "build", "btrfs.tar")
	if _, err := os.Stat(file); err != nil {
		missing(t, "build/btrfs.tar: run make build/btrfs.tar, as root")
	}
	return file
}

// VM needs qemu and the image of a host that it boots, and returns the image's directory.
func VM(t testing.TB) string {
	t.Helper()
	Root(t)
	Tools(t, "qemu-system-x86_64", "go", "tar")
	dir := filepath.Join(Checkout(t), "build", "vm")
	if _, err := os.Stat(filepath.Join(dir, "root.ext4")); err != nil {
		missing(t, "build/vm: run make test-vm, as root")
	}
	return dir
}

// Checkout is the top directory of the repository that the test belongs to.
func Checkout(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == "/" {
			t.Fatal("there is no go.mod in or above the test's directory")
		}
	}
}
