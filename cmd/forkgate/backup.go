package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"forkgate/fork"
	"forkgate/fork/backup"
	"forkgate/gate/warden/client"
)

func backupCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "backup REPO DESTINATION", Args: words(2, 2), Short: "write what a repository holds now to another disk, or into a bucket",
		Long: "Write what a repository holds at this instant to DESTINATION, a directory on another disk than the pool's, or s3://BUCKET/PREFIX with keys and\n" +
			"endpoint in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL: what has changed since the\n" +
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
	c.Flags().IntVar(&o.keep, "keep", 0, "then remove older backups of it there: all but the newest N, and what they go on from. Each Nth is whole")
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := needRoot("backing up"); err != nil {
			return err
		}
		to, err := o.recipientKeys()
		if err != nil {
			return err
		}
		slices.Sort(o.recipients)
		o.recipients = slices.Compact(o.recipients)
		place, err := openDestination(cmd.Context(), args[1])
		if err != nil {
			return err
		}
		defer place.Close()
		return withWarden(func(w *client.Client) error {
			b := backingUp{warden: w, place: place, repo: args[0], to: to, options: o}
			m, err := b.run(cmd.Context())
			if m == nil {
				return err
			}
			// It is finished, whatever is wrong with what is older.
			if *asJSON {
				return errors.Join(err, printJSON(cmd.OutOrStdout(), shownBackup(m)))
			}
			_, printing := fmt.Fprintf(cmd.OutOrStdout(), "backup %s of %s: %s, %s on %s\nmanifest sha256:%s\n", m.ID, m.Repo, kindOf(m), roughly(m.Stored), place, m.Digest())
			return errors.Join(err, printing)
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

// place is where backups lie, until it is closed.
type place interface {
	backup.Place
	io.Closer
}

// openPlace opens a directory or a bucket.
func openPlace(ctx context.Context, name string) (place, error) {
	if backup.IsBucket(name) {
		return backup.OpenBucket(ctx, name, os.Getenv)
	}
	return backup.OpenDirectory(name)
}

// openDestination opens a place that is not the pool: with the pool a backup in it would be lost as well.
func openDestination(ctx context.Context, name string) (place, error) {
	place, err := openPlace(ctx, name)
	if err != nil || backup.IsBucket(name) {
		return place, err
	}
	if fork.SameFilesystem(poolDir, place.String()) {
		place.Close()
		return nil, fmt.Errorf("%s is in the pool that is to be backed up; name a directory on another disk", name)
	}
	return place, nil
}
