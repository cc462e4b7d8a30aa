package fork

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// PoolStatus says how full a pool is, in bytes.
type PoolStatus struct {
	Path string `json:"path"`
	Size uint64 `json:"size"`
	Free uint64 `json:"free"`

	// Returning is how many subvolumes were removed whose space is not free yet; a fork has two, and those that its containers made. btrfs gives it
	// back by itself.
	Returning int `json:"returning"`
}

// Status looks at the pool mounted at path. The errors are those of Open, and say what to do.
func Status(path string) (PoolStatus, error) {
	if err := checkPool(path); err != nil {
		return PoolStatus{}, err
	}
	var space unix.Statfs_t
	if err := unix.Statfs(path, &space); err != nil {
		return PoolStatus{}, fmt.Errorf("cannot look at the pool: %w", err)
	}
	dir, err := os.Open(path)
	if err != nil {
		return PoolStatus{}, fmt.Errorf("cannot look at the pool: %w", err)
	}
	defer dir.Close()
	n, err := returning(dir)
	return PoolStatus{Path: path, Size: space.Blocks * uint64(space.Bsize), Free: space.Bavail * uint64(space.Bsize), Returning: n}, err
}

// Status looks at the store's own pool.
func (s *Store) Status() (PoolStatus, error) { return Status(s.pool) }

// Rootfs lists the digests of what was imported.
func (s *Store) Rootfs() (digests []string, err error) {
	entries, err := os.ReadDir(filepath.Join(s.pool, "rootfs"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the rootfs: %w", err)
	}
	for _, e := range entries {
		digests = append(digests, e.Name())
	}
	return digests, nil
}
