package fork

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/btrfs/v2"
)

// CurrentRootfs is the digest of the rootfs that new trees get, empty if there is none yet.
func (s *Store) CurrentRootfs() string { return s.registry.currentRootfs() }

func (s *Store) rootfsDir(digest string) string { return filepath.Join(s.pool, "rootfs", digest) }

func (s *Store) checkRootfs() error {
	if s.registry.currentRootfs() == "" {
		return fmt.Errorf("%w yet; make one with forkgate rootfs build, or forkgate rootfs import", ErrNoRootfs)
	}
	return nil
}

// ImportRootfs makes a rootfs of a tar archive, for all trees made from now on. Owners are kept, device nodes in /dev and file
// capabilities are not. The digest is the SHA-256 of the uncompressed archive; one that is there already is not made again.
func (s *Store) ImportRootfs(ctx context.Context, tar *os.File, progress Progress) (string, error) {
	digest, err := s.makeRootfs(ctx, tar, progress)
	if err == nil {
		err = s.registry.setRootfs(digest)
	}
	if err != nil {
		return "", fmt.Errorf("cannot import a rootfs: %w", err)
	}
	s.spares.mu.Lock()
	defer s.spares.mu.Unlock()
	s.spares.nudge()
	return digest, nil
}

func (s *Store) makeRootfs(ctx context.Context, tar *os.File, progress Progress) (digest string, err error) {
	if err := s.checkRoom(); err != nil {
		return "", err
	}
	w := s.begin()
	// It is put together among the spares, which the next start empties.
	staging := dirsBelow(filepath.Join(s.pool, "spare", newGUID()))
	defer func() { err = errors.Join(err, s.raze(staging.Base)) }()
	err = w.do("staging", func() error {
		if err := os.Mkdir(staging.Base, 0o700); err != nil {
			return err
		}
		if err := btrfs.SubvolCreate(staging.Root); err != nil {
			return err
		}
		return own(staging.Root, poolRoot, 0o755)
	}, nil)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	if err := w.do("unpack", func() error {
		return s.unpackFile(ctx, tar, staging.Root, asRootfs, hash, progress)
	}, nil); err != nil {
		return "", fullPool(err)
	}
	if err := w.do("fit out", func() error { return fitOut(staging.Root, s.foreign) }, nil); err != nil {
		return "", fullPool(err)
	}
	digest = hex.EncodeToString(hash.Sum(nil))
	err = w.do("publish", func() error { return s.publish(staging.Root, digest) }, nil)
	return digest, fullPool(err)
}

// publish gives a rootfs its name in one step: the snapshot is read-only and whole, or not there.
func (s *Store) publish(root, digest string) error {
	if err := syncPool(s.pool); err != nil {
		return err
	}
	err := btrfs.SubvolSnapshot(s.rootfsDir(digest), root, true)
	if err != nil && btrfs.IsSubvolume(s.rootfsDir(digest)) == nil {
		return nil // imported before
	}
	return err
}
