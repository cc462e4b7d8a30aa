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
	place   backup.Place
	repo    string
	to      []age.Recipient
	options backupOptions
}

func (b *backingUp) run(ctx context.Context) (*backup.Manifest, error) {
	there, err := backup.Read(ctx, b.place, b.repo)
	if err != nil {
		return nil, err
	}
	tellDamaged(there)
	if len(there.Unread) > 0 { // what cannot be read now may be what it goes on from
		return nil, errors.Join(there.Unread...)
	}
	kept, err := b.kept(ctx)
	if err != nil {
		return nil, err
	}
	m, now, err := b.begin(ctx, there, kept)
	if err != nil {
		return nil, err
	}
	defer now.unlock()
	err = b.write(ctx, m, now)
	if errors.Is(err, backup.ErrLeft) {
		fmt.Fprintln(os.Stderr, "forkgate:", gate.Printable(err.Error()))
		err = nil
	}
	if err != nil {
		if now.fresh && len(m.Parts) == 0 {
			err = errors.Join(err, b.warden.Drop(context.WithoutCancel(ctx), client.DropRequest{ID: m.ID, Why: "nothing of it was written"}))
			_ = backup.Discard(context.WithoutCancel(ctx), b.place, m) // or the next one does it
			return nil, err
		}
		return nil, fmt.Errorf("the backup is not finished, and goes on where it is if it is asked for again: %w", err)
	}
	if err := b.warden.Drop(ctx, client.DropRequest{ID: m.ID, Why: b.place.String(), Done: m.Digest()}); err != nil {
		return nil, err
	}
	now.unlock() // its base is one of those that go
	return m, b.retire(ctx, m)
}

// tellDamaged tells of what is no backup any more.
func tellDamaged(there backup.Catalogue) {
	for _, damaged := range there.Damaged {
		fmt.Fprintln(os.Stderr, "forkgate:", gate.Printable(damaged.Error()))
	}
}

// kept lists the snapshots that are set aside for backups of the repository to this place.
func (b *backingUp) kept(ctx context.Context) ([]client.Kept, error) {
	all, err := b.warden.Kept(ctx)
	return slices.DeleteFunc(all, func(k client.Kept) bool { return k.Repo != b.repo || k.For != b.place.String() }), err
}

// source is the snapshots that a backup is told by. Whoever holds it locked is the one who reads it.
type source struct {
	path, base string
	fresh      bool // it was made for this very backup
	locks      []*os.File
}

func (s *source) unlock() {
	for _, f := range s.locks {
		f.Close()
	}
	s.locks = nil
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
		removed := !m.Finished.IsZero() // by half
		if k := at(m.ID); k != nil && !removed && b.fits(m) && b.goesOn(there, m.Base, at) {
			now.path = k.Path
			return m, now, b.take(now, m, at)
		}
	}
	k, err := b.warden.Keep(ctx, client.KeepRequest{Repo: b.repo, For: b.place.String()})
	if err != nil {
		return nil, nil, err
	}
	m := &backup.Manifest{ID: k.ID, Repo: k.Repo, GUID: k.GUID, Made: k.Made, To: b.options.recipients}
	if m.Host, err = os.Hostname(); err != nil {
		return nil, nil, err
	}
	now.path, now.fresh = k.Path, true
	if newest := newestOf(there, k.GUID); newest != nil && b.fits(newest) && b.goesOn(there, newest.ID, at) && !b.worn(there, newest) {
		m.Base, m.BaseSum = newest.ID, newest.Digest()
	}
	return m, now, b.take(now, m, at)
}

// fits reports whether a backup is for those who are to read this one.
func (b *backingUp) fits(m *backup.Manifest) bool {
	return !b.options.full && slices.Equal(m.To, b.options.recipients)
}

// goesOn reports whether a backup can go on from another: its snapshot is still there, and it can itself be restored, as far as its manifests say.
func (b *backingUp) goesOn(there backup.Catalogue, base string, at func(string) *client.Kept) bool {
	if base == "" {
		return true
	}
	m, err := there.Find(base)
	if err == nil {
		_, err = there.Chain(m)
	}
	return err == nil && at(base) != nil
}

// worn reports whether so many go on from each other that, were there one more, none of them would ever be in excess.
func (b *backingUp) worn(there backup.Catalogue, newest *backup.Manifest) bool {
	chain, err := there.Chain(newest)
	return err == nil && b.options.keep > 0 && len(chain) >= b.options.keep
}

func newestOf(there backup.Catalogue, guid string) (newest *backup.Manifest) {
	for _, m := range there.Finished {
		if m.GUID == guid {
			newest = m
		}
	}
	return newest
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
	send.Stderr, send.Env = &complaint, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"} // and not the keys of a store
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

// retire removes what this one makes useless: other snapshots for this place, beginnings of which the snapshot is gone, and with --keep older backups. All
// of that is of this very repository; a snapshot that is locked is read by another backup, and stays with what that has written.
func (b *backingUp) retire(ctx context.Context, m *backup.Manifest) error {
	// What is there comes first: a backup that begins meanwhile has its snapshot before it has anything there.
	there, err := backup.Read(ctx, b.place, b.repo)
	if err = errors.Join(append(there.Unread, err)...); err != nil {
		return err
	}
	all, err := b.warden.Kept(ctx)
	if err != nil {
		return err
	}
	left := map[string]bool{}
	for _, k := range all {
		var unused source
		if k.ID == m.ID || k.GUID != m.GUID || k.For != b.place.String() || unused.lock(k.Path, unix.LOCK_EX) != nil {
			left[k.ID] = true
		} else if err := b.warden.Drop(ctx, client.DropRequest{ID: k.ID, Why: "the next one is finished"}); err != nil {
			return err
		}
		unused.unlock()
	}
	for _, begun := range there.Unfinished {
		if begun.GUID == m.GUID && !left[begun.ID] {
			if err := backup.Discard(ctx, b.place, begun); err != nil {
				return err
			}
		}
	}
	if b.options.keep == 0 {
		return nil
	}
	surplus, err := there.Surplus(m.GUID, b.options.keep)
	if err != nil {
		return err
	}
	// What another backup is being made of stays, with what that goes on from.
	for id := range left {
		if m, err := there.Find(id); err == nil {
			chain, _ := there.Chain(m)
			for _, one := range chain {
				left[one.ID] = true
			}
		}
	}
	for _, old := range surplus {
		if left[old.ID] {
			continue
		}
		if err := backup.Remove(ctx, b.place, old); err != nil {
			return err
		}
	}
	return nil
}
