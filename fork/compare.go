package fork

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/btrfs/v2"
	"golang.org/x/sys/unix"

	"forkgate/fork/changes"
)

// maxCompared is how many things a comparison tells apart, and maxComparing how long the kernel has to find them. It goes on for each piece of a file.
const (
	maxCompared  = 200_000
	maxComparing = time.Minute
)

// Compare lists what is different in the data of one tree from that of another, both as they are at this instant. Nothing of either is read but what
// btrfs knows of it, and only where they differ. There is one comparison at a time.
//
// Files are told by their numbers: one that was made in each of them since the one was made of the other may be taken for the same.
//
// Errors are ErrNotFound, ErrPoolFull, changes.ErrMany, the context's cause, and whatever the disk said.
func (s *Store) Compare(ctx context.Context, before, after Tree) (found []changes.Change, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot compare %s with %s: %w", after.Ref(), before.Ref(), err)
		}
	}()
	select {
	case s.comparing <- struct{}{}:
		defer func() { <-s.comparing }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	var still [2]Kept
	for i, t := range []Tree{before, after} {
		if still[i], err = s.still(t); err != nil {
			return nil, err
		}
		defer func() {
			if dropping := s.drop(still[i]); dropping != nil { // the next start tries again
				s.opts.Log.Error("a snapshot for a comparison stays", "id", still[i].ID, "error", dropping)
			}
		}()
	}
	all, err := s.differences(ctx, s.KeptPath(still[0]), s.KeptPath(still[1]))
	for _, c := range all {
		if of, ok := ofData(c); ok {
			found = append(found, of)
		}
	}
	return found, err
}

// still makes a snapshot that is never Ready: after a crash it goes with what is half made.
func (s *Store) still(t Tree) (k Kept, err error) {
	if _, ok := s.Get(t.GUID); !ok {
		return k, ErrNotFound
	}
	if err := s.checkRoom(); err != nil {
		return k, err
	}
	k = Kept{ID: newGUID(), Of: t.GUID, Repo: t.Repo, For: "compare", Made: time.Now().UTC(), State: Making}
	w := s.begin()
	defer w.end(&err)
	if err := w.do("record", func() error { return s.kept.put(k) }, func() error { return s.kept.forget(k.ID) }); err != nil {
		return k, err
	}
	return k, w.do("snapshot",
		func() error { return btrfs.SubvolSnapshot(s.KeptPath(k), s.Dirs(t).Tree, true) },
		func() error { return s.destroyKept(k) })
}

// sendCapabilities are what btrfs send needs of root: the kernel lets nobody else compare trees, and the snapshots are root's.
const sendCapabilities = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_DAC_READ_SEARCH

// differences has the kernel compare two snapshots.
func (s *Store) differences(ctx context.Context, before, after string) (found []changes.Change, err error) {
	ctx, stop := context.WithTimeoutCause(ctx, maxComparing, changes.ErrMany)
	defer stop()
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := onThrowawayThread(func() error { return runSend(ctx, w, before, after) })
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		w.CloseWithError(err) // nil: it is at its end
		sent <- err
	}()
	found, err = changes.Read(r, maxCompared)
	stop() // it has nothing more to say, or nobody listens
	r.Close()
	if sending := <-sent; err != nil && sending != nil && !errors.Is(err, changes.ErrMany) {
		err = sending
	}
	return found, err
}

// runSend runs btrfs send on a thread that never does anything else again.
func runSend(ctx context.Context, to io.Writer, before, after string) error {
	if err := dropCapabilities(sendCapabilities); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/usr/bin/btrfs", "send", "--quiet", "--proto", "1", "--no-data", "-p", before, after)
	complaint := &tail{}
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.WaitDelay = to, complaint, plainEnv(), time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // this thread waits for it
	err := cmd.Run()
	switch {
	case err != nil && strings.Contains(strings.ToLower(complaint.String()), syscall.ENAMETOOLONG.Error()):
		return fmt.Errorf("btrfs send: %w: a name of the kernel's may have 4096 bytes", ErrLongPath)
	case err != nil:
		return fmt.Errorf("btrfs send: %w: %s", err, complaint)
	}
	return nil
}

// ofData is a change as who works in the data sees it, if it is one of the data: what comes from elsewhere in the tree is new there, and what
// goes elsewhere is gone.
func ofData(c changes.Change) (changes.Change, bool) {
	path, in := strings.CutPrefix(c.Path, dataName+"/")
	from, was := strings.CutPrefix(c.From, dataName+"/")
	switch {
	case !in && !was:
		return c, false
	case !in:
		return changes.Change{How: changes.Removed, Kind: c.Kind, Path: from}, true
	case c.From != "" && !was:
		return changes.Change{How: changes.Added, Kind: c.Kind, Path: path}, true
	}
	c.Path, c.From = path, from
	return c, true
}
