package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"forkgate/fork/backup"
	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// backingUp is one backup under way.
type backingUp struct {
	warden  *client.Client
	place   *backup.Directory
	repo    string
	to      []age.Recipient
	options backupOptions
}

func (b *backingUp) run(ctx context.Context) (*backup.Manifest, error) {
	there, err := backup.Read(ctx, b.place, b.repo)
	if err != nil {
		return nil, err
	}
	for _, damaged := range there.Damaged {
		fmt.Fprintln(os.Stderr, "forkgate:", gate.Printable(damaged.Error()))
	}
	kept, err := b.kept(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.clear(ctx, there, kept); err != nil {
		return nil, err
	}
	m, now, err := b.begin(ctx, there, kept)
	if err != nil {
		return nil, err
	}
	defer now.unlock()
	if err := b.write(ctx, m, now); err != nil {
		return nil, fmt.Errorf("the backup is not finished, and goes on where it is if it is asked for again: %w", err)
	}
	if err := b.warden.Drop(ctx, client.DropRequest{ID: m.ID, Why: b.place.String(), Done: m.Digest()}); err != nil {
		return nil, err
	}
	return m, b.retire(ctx, m, kept)
}

// kept lists the snapshots that are set aside for backups of the repository to this place.
func (b *backingUp) kept(ctx context.Context) ([]client.Kept, error) {
	all, err := b.warden.Kept(ctx)
	return slices.DeleteFunc(all, func(k client.Kept) bool { return k.Repo != b.repo || k.For != b.place.String() }), err
}

// clear removes what cannot be gone on with: the beginnings of backups whose snapshot is gone, and snapshots of which nothing was written. One that
// is locked is another's, who may be about to write.
func (b *backingUp) clear(ctx context.Context, there backup.Catalogue, kept []client.Kept) error {
	for _, m := range there.Unfinished {
		if !slices.ContainsFunc(kept, func(k client.Kept) bool { return k.ID == m.ID }) {
			if err := backup.Remove(ctx, b.place, m); err != nil {
				return err
			}
		}
	}
	written := func(k client.Kept) bool {
		is := func(m *backup.Manifest) bool { return m.ID == k.ID }
		return slices.ContainsFunc(there.Unfinished, is) || slices.ContainsFunc(there.Finished, is)
	}
	for _, k := range kept {
		var unused source
		if !written(k) && unused.lock(k.Path, unix.LOCK_EX) == nil {
			if err := b.warden.Drop(ctx, client.DropRequest{ID: k.ID, Why: "nothing of it was written"}); err != nil {
				return err
			}
		}
		unused.unlock()
	}
	return nil
}

// source is the snapshots that a backup is told by. Whoever holds it locked is the one who reads it.
type source struct {
	path, base string
	locks      []*os.File
}

func (s *source) unlock() {
	for _, f := range s.locks {
		f.Close()
	}
}

func (s *source) lock(path string, how int) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot open the snapshot: %w", err)
	}
	s.locks = append(s.locks, f)
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		return errors.New("another backup of it to this place is under way; wait for it")
	}
	return nil
}

// begin finds the backup to go on with, or sets the repository aside for a new one.
func (b *backingUp) begin(ctx context.Context, there backup.Catalogue, kept []client.Kept) (*backup.Manifest, *source, error) {
	at := func(id string) *client.Kept {
		if i := slices.IndexFunc(kept, func(k client.Kept) bool { return k.ID == id }); i >= 0 {
			return &kept[i]
		}
		return nil
	}
	now := &source{}
	for _, m := range slices.Backward(there.Unfinished) {
		if k := at(m.ID); k != nil && m.Sealed == (len(b.to) > 0) && (m.Base == "" || at(m.Base) != nil) && !b.options.full {
			now.path = k.Path
			return m, now, b.take(now, m, at)
		}
	}
	k, err := b.warden.Keep(ctx, client.KeepRequest{Repo: b.repo, For: b.place.String()})
	if err != nil {
		return nil, nil, err
	}
	m := &backup.Manifest{ID: k.ID, Repo: k.Repo, GUID: k.GUID, Made: k.Made}
	if m.Host, err = os.Hostname(); err != nil {
		return nil, nil, err
	}
	now.path = k.Path
	if newest, err := there.Find(""); err == nil && !b.options.full && newest.GUID == k.GUID && at(newest.ID) != nil && newest.Sealed == (len(b.to) > 0) {
		m.Base = newest.ID
	}
	return m, now, b.take(now, m, at)
}

// take locks what is read.
func (b *backingUp) take(now *source, m *backup.Manifest, at func(string) *client.Kept) error {
	err := now.lock(now.path, unix.LOCK_EX)
	if err == nil && m.Base != "" {
		now.base = at(m.Base).Path
		err = now.lock(now.base, unix.LOCK_SH)
	}
	if err != nil {
		now.unlock()
	}
	return err
}

// write sends the snapshot into the place.
func (b *backingUp) write(ctx context.Context, m *backup.Manifest, now *source) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	args := []string{"send", "--quiet"}
	if now.base != "" {
		args = append(args, "-p", now.base)
	}
	send := exec.CommandContext(ctx, "btrfs", append(args, now.path)...)
	var complaint bytes.Buffer
	send.Stderr = &complaint
	stream, err := send.StdoutPipe()
	if err != nil {
		return err
	}
	return reporting("writing", func(say func(string)) error {
		w, err := backup.NewWriter(b.place, m, b.to, progressOf(say))
		if err != nil {
			return err
		}
		if err := send.Start(); err != nil {
			return fmt.Errorf("cannot start btrfs send: %w", err)
		}
		writing := w.Write(ctx, stream)
		if writing != nil {
			stop()
		}
		if err := send.Wait(); writing == nil && err != nil {
			return fmt.Errorf("btrfs send: %w: %s", err, strings.TrimSpace(complaint.String()))
		}
		if writing != nil {
			return writing
		}
		return w.Finish(ctx, time.Now())
	})
}

// progressOf tells of a stream about once a second.
func progressOf(say func(string)) backup.Progress {
	began := time.Now()
	told := began
	return func(stream, written int64) {
		if now := time.Now(); now.Sub(told) > time.Second {
			told = now
			say(fmt.Sprintf("%s read, %s written, %s/s", roughly(stream), roughly(written), roughly(int64(float64(stream)/now.Sub(began).Seconds()))))
		}
	}
}

// retire removes the snapshots that the next backup does not go on from, and the backups that need not be kept.
func (b *backingUp) retire(ctx context.Context, m *backup.Manifest, kept []client.Kept) error {
	for _, k := range kept {
		if k.ID == m.ID {
			continue
		}
		if err := b.warden.Drop(ctx, client.DropRequest{ID: k.ID, Why: "the next one is finished"}); err != nil {
			return err
		}
	}
	if b.options.keep == 0 {
		return nil
	}
	there, err := backup.Read(ctx, b.place, b.repo)
	if err != nil {
		return err
	}
	surplus, err := there.Surplus(b.repo, b.options.keep)
	if err != nil {
		return err
	}
	for _, old := range surplus {
		if err := backup.Remove(ctx, b.place, old); err != nil {
			return err
		}
	}
	return nil
}
