package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"forkgate/fork/backup"
	"forkgate/gate"
)

// backupView is a backup as commands show it.
type backupView struct {
	ID        string    `json:"id"`
	Repo      string    `json:"repo"`
	Made      time.Time `json:"made"`
	Host      string    `json:"host"`
	Base      string    `json:"base,omitempty"` // of the backup that it goes on from
	Encrypted bool      `json:"encrypted"`
	Bytes     int64     `json:"bytes"`  // of what it holds
	Stored    int64     `json:"stored"` // of its files
	Manifest  string    `json:"manifest"`
	Wrong     []string  `json:"wrong,omitempty"` // with --verify
}

func shownBackup(m *backup.Manifest) backupView {
	return backupView{m.ID, m.Repo, m.Made, m.Host, m.Base, m.Sealed(), m.Bytes, m.Stored, "sha256:" + m.Digest(), nil}
}

func kindOf(m *backup.Manifest) string {
	if m.Base == "" {
		return "whole"
	}
	return "what has changed"
}

func backupsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "backups PLACE [REPO]", Args: words(1, 2), Short: "list the backups in a place, or make sure of them",
		Long: "List the backups in a directory or in s3://BUCKET/PREFIX, oldest first. With --verify all of each is read and compared with its digests, which takes no key; it ends\n" +
			"with 1 if one is not as it was written, or cannot be restored as what it goes on from is missing.",
	}
	verify := c.Flags().Bool("verify", false, "read all of them, and say what is wrong")
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		place, err := openPlace(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		defer place.Close()
		repo := ""
		if len(args) > 1 {
			repo = args[1]
		}
		there, err := backup.Read(cmd.Context(), place, repo)
		if err != nil {
			return err
		}
		seen, wrong, away := []backupView{}, len(there.Damaged), there.Unread
		tellDamaged(there)
		for _, m := range there.Finished {
			v := shownBackup(m)
			if *verify {
				for _, err := range faults(cmd, place, there, m) {
					if v.Wrong = append(v.Wrong, err.Error()); errors.Is(err, backup.ErrDamaged) {
						wrong++
					} else {
						away = append(away, err)
					}
				}
			}
			seen = append(seen, v)
		}
		if err := printBackups(cmd, seen, *verify, *asJSON); err != nil {
			return err
		}
		if len(away) > 0 {
			return errors.Join(away...)
		}
		if *verify && wrong > 0 {
			return fmt.Errorf("%s: make a whole backup with --full", gate.Count(wrong, "fault"))
		}
		return nil
	}
	return c
}

func faults(cmd *cobra.Command, place backup.Place, there backup.Catalogue, m *backup.Manifest) []error {
	wrong := backup.Verify(cmd.Context(), place, m)
	if _, err := there.Chain(m); err != nil {
		wrong = append(wrong, err)
	}
	return wrong
}

func printBackups(cmd *cobra.Command, seen []backupView, verified, asJSON bool) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), seen)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REPOSITORY\tMADE\tID\tKIND\tSIZE\tENCRYPTED")
	for _, v := range seen {
		kind, sealed := "whole", "yes"
		if v.Base != "" {
			kind = "after " + v.Base[:8]
		}
		if !v.Encrypted {
			sealed = "no"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Repo, v.Made.Local().Format(time.DateTime), v.ID[:8], kind, roughly(v.Stored), sealed)
	}
	if err := w.Flush(); err != nil || !verified {
		return err
	}
	var wrong []string
	for _, v := range seen {
		wrong = append(wrong, v.Wrong...)
	}
	if len(wrong) == 0 {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d of %[1]d are as they were written\n", len(seen))
		return err
	}
	for _, fault := range wrong {
		fmt.Fprintln(os.Stderr, "forkgate:", gate.Printable(fault))
	}
	return nil
}
