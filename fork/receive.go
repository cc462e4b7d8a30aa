package fork

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/containerd/btrfs/v2"
	"golang.org/x/sys/unix"

	"forkgate/nsjail/idmap"
)

// incoming is the subvolume that a backup is received in. It is gone once the tree is made of it.
func incoming(dirs Dirs) string { return filepath.Join(dirs.Base, "incoming") }

// receive makes a tree of a backup: received in a subvolume of its own, by a program that sees nothing else of the pool, and snapshotted
// from there. So what is in the stream cannot reach a repository that is there, whatever names and subvolumes it speaks of.
func (s *Store) receive(ctx context.Context, source Source, dirs Dirs, progress Progress) error {
	if !isGUID(source.Kept) {
		return fmt.Errorf("%w: %q is no backup's id", ErrSource, source.Kept)
	}
	in := incoming(dirs)
	if err := btrfs.SubvolCreate(in); err != nil {
		return fmt.Errorf("cannot make %s: %w", in, err)
	}
	// The stream may be a pipe that nobody writes to. A program that waits for it can be killed, a read cannot.
	raw, err := startFilter(ctx, source.Stream, 0, "cat")
	if err != nil {
		return err
	}
	stream := &counter{r: raw, total: -1, report: progress}
	err = onThrowawayThread(func() error { return runReceive(ctx, stream, in) })
	stream.last()
	if err = blame(ctx, err, raw.Close()); err != nil {
		return err
	}
	if err := s.opts.step("received"); err != nil {
		return err
	}
	if err := takeReceived(in, source.Kept, dirs.Tree); err != nil {
		return fmt.Errorf("%w: it does not hold %s: %w", ErrSource, source.Kept, err)
	}
	if err := checkContent(dirs); err != nil {
		return err
	}
	return destroy(in)
}

// takeReceived makes the tree of what was received. The stream made the names, by paths that lead out of its own subvolume too: a link in the place
// of the one that is wanted would be a way to any other of the pool.
func takeReceived(in, kept, tree string) error {
	dir, err := os.Open(in)
	if err != nil {
		return err
	}
	defer dir.Close()
	from, err := idmap.OpenBeneath(dir, kept, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer from.Close()
	return snapshotOf(from, tree, volArgs{})
}

// checkContent makes sure that a tree from elsewhere is one: the two directories that root goes through are directories, of whom they have
// to be. What is in them is nobody's business here.
func checkContent(dirs Dirs) error {
	for dir, owner := range map[string]uint32{dirs.Data: poolSession, dirs.Docker: poolRoot} {
		var st unix.Stat_t
		if err := unix.Lstat(dir, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Uid != owner || st.Gid != owner {
			return fmt.Errorf("%w: in it %s is not the directory that a repository has", ErrSource, filepath.Base(dir))
		}
	}
	return nil
}

// receiveCapabilities are what btrfs receive needs of root: it looks subvolumes up, and makes what was sent as it was.
const receiveCapabilities = tarCapabilities | 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_MKNOD | 1<<unix.CAP_SETFCAP

// runReceive runs btrfs receive on a thread that never does anything else again, in a root of its own: the host's programs, read-only, and
// the subvolume at in, which is where it writes.
func runReceive(ctx context.Context, stream io.Reader, in string) error {
	if err := ownMounts(); err != nil {
		return err
	}
	root, err := smallRoot(in)
	if err != nil {
		return err
	}
	// Into it, and the host's out of sight: with "." for both the old one is stacked on the new, pivot_root(2).
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("cannot enter the root for a backup: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot leave the host's root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if err := dropCapabilities(receiveCapabilities); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/usr/bin/btrfs", "receive", "--quiet", "-m", "/in", "/in")
	complaint := &tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env, cmd.WaitDelay = stream, complaint, complaint, plainEnv(), time.Second // there is no /dev/null
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}                                                // this thread waits for it
	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case diskFull.Match(complaint.b):
		return fmt.Errorf("%w: the backup does not fit", ErrPoolFull)
	}
	return fmt.Errorf("%w: btrfs receive: %w: %s", ErrSource, err, complaint)
}

// smallRoot makes a root in which there are the host's programs, and in. There is no /proc: by that a path could lead to the roots of other processes.
func smallRoot(in string) (string, error) {
	root := filepath.Dir(in) // the tree's own directory, hidden by what is mounted there
	dir, err := os.Open(in)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	if err := unix.Mount("forkgate", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=1m"); err != nil {
		return "", fmt.Errorf("cannot make a root for a backup: %w", err)
	}
	for _, name := range []string{"usr", "in"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			return "", err
		}
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+name, filepath.Join(root, name)); err != nil {
			return "", err
		}
	}
	for _, place := range []struct {
		from, to string
		attrs    uint64
	}{
		{"/usr", "usr", unix.MOUNT_ATTR_RDONLY},
		// The stream makes links here, and paths through them.
		{fmt.Sprintf("/proc/self/fd/%d", dir.Fd()), "in", unix.MOUNT_ATTR_NOSYMFOLLOW},
	} {
		if err := unix.Mount(place.from, filepath.Join(root, place.to), "", unix.MS_BIND, ""); err != nil {
			return "", fmt.Errorf("cannot show %s where a backup is received: %w", place.to, err)
		}
		if err := unix.MountSetattr(unix.AT_FDCWD, filepath.Join(root, place.to), 0, &unix.MountAttr{Attr_set: place.attrs}); err != nil {
			return "", fmt.Errorf("cannot limit %s where a backup is received: %w", place.to, err)
		}
	}
	return root, nil
}
