package fork

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"forkgate/nsjail/idmap"

	"golang.org/x/sys/unix"
)

// identity is as whom tar unpacks.
type identity struct {
	uid  uint32
	args []string
}

var (
	// asSession makes everything belong to 7111, and needs no privilege for it.
	asSession = identity{sessionID, []string{"--no-same-owner"}}
	// asRoot keeps the archive's owners, as far as the foreign range holds them.
	asRoot = identity{0, []string{"--same-owner"}}
	// asRootfs leaves out the device nodes that tools such as mmdebstrap put into /dev: a pod has a /dev of its own.
	asRootfs = identity{0, []string{"--same-owner", "--anchored", "--exclude=./dev/*", "--exclude=dev/*"}}
)

// tarCapabilities are all that tar keeps when it runs as root. Without CAP_MKNOD it fails on device nodes.
const tarCapabilities = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID

// unpack unpacks a tar archive that somebody else made into the directory at dest, which is ours and empty. Ids from 0 on in
// the archive become ids of the foreign range on disk.
func (s *Store) unpack(ctx context.Context, archive io.Reader, dest string, as identity) error {
	dir, err := os.Open(dest)
	if err != nil {
		return err
	}
	defer dir.Close()
	clone, err := idmap.Clone(dir, s.foreign)
	if err != nil {
		return err
	}
	defer clone.Close()
	return onThrowawayThread(func() error { return untar(ctx, archive, clone, dest, as) })
}

// untar runs tar on a thread that never does anything else again: it may write to dest and nowhere else, whatever is in the
// archive and whatever tar makes of it.
func untar(ctx context.Context, archive io.Reader, clone *os.File, dest string, as identity) error {
	if err := ownMounts(); err != nil {
		return err
	}
	// Everything read-only, before the one mount that is not is attached.
	readonly := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, readonly); err != nil {
		return fmt.Errorf("cannot make mounts read-only: %w", err)
	}
	err := unix.MoveMount(int(clone.Fd()), "", unix.AT_FDCWD, dest, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("cannot attach %s: %w", dest, err)
	}
	// By descriptor: tar's user cannot walk there, nor should it know the way.
	if err := unix.Fchdir(int(clone.Fd())); err != nil {
		return fmt.Errorf("cannot enter %s: %w", dest, err)
	}
	if err := dropCapabilities(tarCapabilities); err != nil {
		return err
	}
	return runTar(ctx, archive, as)
}

// ownMounts gives this thread, and the programs that it starts, mounts of their own: what is done to them is seen by nobody else. The working
// directory becomes own with it.
func ownMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("cannot unshare mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make mounts private: %w", err)
	}
	return nil
}

// diskFull is what tar says of ENOSPC, and of the write before it, which got only so far.
var diskFull = regexp.MustCompile("No space left on device|Wrote only [0-9]+ of [0-9]+ bytes")

func runTar(ctx context.Context, archive io.Reader, as identity) error {
	args := append([]string{"-x", "-f", "-", "--numeric-owner", "--same-permissions", "--xattrs", "--acls",
		"--delay-directory-restore"}, as.args...)
	cmd := exec.CommandContext(ctx, "tar", args...)
	complaint := &tail{}
	cmd.Stdin, cmd.Stderr, cmd.Env, cmd.WaitDelay = archive, complaint, plainEnv(), time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: as.uid, Gid: as.uid},
		Pdeathsig:  syscall.SIGKILL, // this thread waits for it, so it lives as long as the warden does
	}
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case diskFull.Match(complaint.b):
		return fmt.Errorf("%w: what is copied does not fit", ErrPoolFull)
	}
	return fmt.Errorf("%w: %s", ErrSource, complaint)
}

// dropCapabilities takes all but keep from what this thread's children can get.
func dropCapabilities(keep uint64) error {
	for c := uintptr(0); c < 64; c++ {
		if keep&(1<<c) != 0 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			break // there are no more
		}
		if err != nil {
			return fmt.Errorf("cannot drop capability %d: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot give up new privileges: %w", err)
	}
	return nil
}

// onThrowawayThread runs f on a thread that ends with it, so that nobody inherits what f did to it.
func onThrowawayThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot end. While it is locked here, the next goroutine runs on another.
			done <- onThrowawayThread(f)
			runtime.UnlockOSThread()
			return
		}
		done <- f()
	}()
	return <-done
}
