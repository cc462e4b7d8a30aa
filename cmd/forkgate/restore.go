package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"forkgate/fork/backup"
	"forkgate/gate/warden/client"
)

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
		place, err := openPlace(cmd.Context(), args[1])
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
	wrong := slices.Concat(there.Damaged, there.Unread)
	m, err := there.Find(id)
	if err != nil {
		return nil, errors.Join(append([]error{fmt.Errorf("%w of %s in %s; forkgate backups %[3]s lists them", err, repo, place)}, wrong...)...)
	}
	if id == "" && there.Doubt {
		return nil, errors.Join(append([]error{fmt.Errorf("what cannot be read may be newer than %s: name the backup to restore with --id", m.ID)}, wrong...)...)
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
		q := client.RestoreRequest{Name: as, ID: m.ID, Source: place.String() + "/" + m.Repo, Digest: m.Digest()}
		return w.Restore(ctx, q, read, say)
	})
	read.Close() // so that whoever writes to it hears that nobody reads
	if writing := <-written; writing != nil && !errors.Is(writing, unix.EPIPE) && !errors.Is(writing, io.ErrClosedPipe) {
		return writing // it is why the warden was not content
	}
	return err
}
