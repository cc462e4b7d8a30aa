package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"forkgate/fork"
	"forkgate/fork/backup"
	"forkgate/gate"
	"forkgate/gate/warden/client"
)

func backupCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "backup REPO DESTINATION", Args: words(2, 2), Short: "write what a repository holds now to another disk",
		Long: "Write what a repository holds at this instant to DESTINATION, a directory on another disk than the pool's: what has changed since the\n" +
			"last backup there, or all of it. What runs in the repository goes on. One that was interrupted is gone on with, if it is asked for again.\n\n" +
			"A snapshot of each repository stays in the pool for each destination, for the next backup to go on from; it holds the space of what is\n" +
			"deleted meanwhile.\n\n" +
			"    forkgate backup shop /mnt/backups --recipient age1...\n" +
			"    forkgate backups /mnt/backups\n" +
			"    forkgate restore shop /mnt/backups --as shop-restored --identity key.txt",
	}
	o := backupOptions{}
	c.Flags().StringArrayVarP(&o.recipients, "recipient", "r", nil, "encrypt to this public key of age; may be said again")
	c.Flags().BoolVar(&o.plain, "unencrypted", false, "do not encrypt: whoever reads the disk reads production")
	c.Flags().BoolVar(&o.full, "full", false, "write all of it, and go on from nothing")
	c.Flags().IntVar(&o.keep, "keep", 0, "then remove older backups of it there: all but the newest N, and what they go on from")
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := needRoot("backing up"); err != nil {
			return err
		}
		to, err := o.recipientKeys()
		if err != nil {
			return err
		}
		place, err := openPlace(args[1])
		if err != nil {
			return err
		}
		defer place.Close()
		return withWarden(func(w *client.Client) error {
			b := backingUp{warden: w, place: place, repo: args[0], to: to, options: o}
			m, err := b.run(cmd.Context())
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), shownBackup(m))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "backup %s of %s: %s, %s on %s\nmanifest sha256:%s\n", m.ID, m.Repo, kindOf(m), roughly(m.Stored), place, m.Digest())
			return err
		})
	}
	return c
}

type backupOptions struct {
	recipients []string
	plain      bool
	full       bool
	keep       int
}

func (o *backupOptions) recipientKeys() (keys []age.Recipient, err error) {
	switch {
	case o.keep < 0:
		return nil, errors.New("--keep takes a number of backups")
	case o.plain && len(o.recipients) > 0:
		return nil, errors.New("--unencrypted and --recipient contradict each other")
	case !o.plain && len(o.recipients) == 0:
		return nil, errors.New("nothing says who may read the backup: use --recipient KEY, where age-keygen makes one, or --unencrypted")
	case o.plain:
		return nil, nil
	}
	keys, err = age.ParseRecipients(strings.NewReader(strings.Join(o.recipients, "\n")))
	if err != nil {
		return nil, fmt.Errorf("a recipient is a public key of age, age1...: %w", err)
	}
	return keys, nil
}

// openPlace opens a destination that is not the pool: with the pool a backup in it would be lost as well.
func openPlace(dir string) (*backup.Directory, error) {
	place, err := backup.OpenDirectory(dir)
	if err != nil {
		return nil, err
	}
	if fork.SameFilesystem(poolDir, place.String()) {
		place.Close()
		return nil, fmt.Errorf("%s is in the pool that is to be backed up; name a directory on another disk", dir)
	}
	return place, nil
}

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

// clear removes what can not be gone on with: the beginnings of backups whose snapshot is gone.
func (b *backingUp) clear(ctx context.Context, there backup.Catalogue, kept []client.Kept) error {
	for _, m := range there.Unfinished {
		if m.Repo == b.repo && !slices.ContainsFunc(kept, func(k client.Kept) bool { return k.ID == m.ID }) {
			if err := backup.Remove(ctx, b.place, m); err != nil {
				return err
			}
		}
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

func restoreCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "restore REPO PLACE --as NAME", Args: words(2, 2), Short: "make a repository of a backup",
		Long: "Make a repository of a backup of REPO that lies in PLACE: a new one, called NAME. Nothing that is there is written over.",
	}
	as := c.Flags().String("as", "", "what the repository is called")
	id := c.Flags().String("id", "", "which backup, by its id or the beginning of it; the newest by default")
	identity := c.Flags().StringP("identity", "i", "", "file of the secret keys of age that the backup is read with")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := needRoot("restoring"); err != nil {
			return err
		}
		if *as == "" {
			return errors.New("nothing says what the repository is to be called: use --as NAME")
		}
		keys, err := (&shelf{identity: *identity}).keys()
		if err != nil {
			return err
		}
		place, err := backup.OpenDirectory(args[1])
		if err != nil {
			return err
		}
		defer place.Close()
		chain, err := chainIn(cmd.Context(), place, args[0], *id)
		if err != nil {
			return err
		}
		return withWarden(func(w *client.Client) error {
			if err := restoreFrom(cmd.Context(), w, place, chain, keys, *as); err != nil {
				return err
			}
			m := chain[len(chain)-1]
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is made of %s as of %s: ssh %s@host\nmanifest sha256:%s\n", *as, m.Repo, m.Made.Local().Format(time.DateTime), *as, m.Digest())
			return err
		})
	}
	return c
}

func chainIn(ctx context.Context, place backup.Place, repo, id string) ([]*backup.Manifest, error) {
	there, err := backup.Read(ctx, place, repo)
	if err != nil {
		return nil, err
	}
	m, err := there.Find(id)
	if err != nil {
		return nil, errors.Join(append([]error{fmt.Errorf("%w of %s in %s; forkgate backups %[3]s lists them", err, repo, place)}, there.Damaged...)...)
	}
	return there.Chain(m)
}

// restoreFrom has the warden read what is decrypted here.
func restoreFrom(ctx context.Context, w *client.Client, place backup.Place, chain []*backup.Manifest, keys []age.Identity, as string) error {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil { // and not os.Pipe, whose ends do not block whoever gets one
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	read, write := os.NewFile(uintptr(ends[0]), "stream"), os.NewFile(uintptr(ends[1]), "stream")
	m := chain[len(chain)-1]
	written := make(chan error, 1)
	go func() {
		err := backup.WriteTo(ctx, place, chain, keys, write, nil)
		written <- errors.Join(err, write.Close())
	}()
	err := reporting("restoring", func(say func(string)) error {
		q := client.RestoreRequest{Name: as, ID: m.ID, Source: filepath.Join(place.String(), m.Repo), Digest: m.Digest()}
		return w.Restore(ctx, q, read, say)
	})
	read.Close() // so that whoever writes to it hears that nobody reads
	if writing := <-written; writing != nil && !errors.Is(writing, unix.EPIPE) && !errors.Is(writing, io.ErrClosedPipe) {
		return writing // it is why the warden was not content
	}
	return err
}
