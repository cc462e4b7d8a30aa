package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"forkgate/fork"
	"forkgate/gate/warden/client"
)

func rootfsCommand() *cobra.Command {
	return group("rootfs", "the tools inside sessions", rootfsBuildCommand(), rootfsImportCommand(), rootfsListCommand())
}

func rootfsBuildCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "build", Short: "build a rootfs with mmdebstrap, and import it (minutes, and the network)", Args: words(0, 0),
	}
	var options fork.RootfsOptions
	c.Flags().StringVar(&options.Suite, "suite", "", "Debian release (default: 13, trixie)")
	c.Flags().StringSliceVar(&options.Packages, "packages", nil, "instead of the usual ones")
	c.Flags().StringVar(&options.Mirror, "mirror", "", "Debian mirror (default: the host's)")
	output := c.Flags().String("output", "", "write the tar file here and import nothing")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := needRoot("building a rootfs"); err != nil {
			return err
		}
		if *output != "" {
			return buildRootfs(cmd.Context(), options, *output)
		}
		dir, err := os.MkdirTemp("/var/tmp", "forkgate-rootfs-") // some 600 MB: /tmp may be memory
		if err != nil {
			return err
		}
		file := filepath.Join(dir, "rootfs.tar")
		err = buildRootfs(cmd.Context(), options, file)
		if err == nil {
			err = importRootfs(cmd, file, false)
		}
		return errors.Join(err, os.RemoveAll(dir))
	}
	return c
}

func buildRootfs(ctx context.Context, o fork.RootfsOptions, file string) error {
	return reporting("building", func(progress func(string)) error { return fork.BuildRootfs(ctx, o, file, progress) })
}

func rootfsImportCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "import FILE.tar", Short: "make a rootfs of a tar file (plain, gzip, xz, zstd; - for standard input)", Args: words(1, 1),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error { return importRootfs(cmd, args[0], *asJSON) }
	return c
}

func importRootfs(cmd *cobra.Command, name string, asJSON bool) error {
	file, err := openSource(name)
	if err != nil {
		return err
	}
	if file == nil {
		return errors.New("a rootfs needs a tar file")
	}
	return withWarden(func(c *client.Client) error {
		var made client.Rootfs
		err := reporting("unpacking", func(progress func(string)) (err error) {
			made, err = c.RootfsImport(cmd.Context(), name, file, progress)
			return err
		})
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), made)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), made.Digest)
		return err
	})
}

func rootfsListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "list what is in the pool; new forks get the one with a star", Args: words(0, 0)}
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return withWarden(func(c *client.Client) error {
			all, err := c.RootfsList(cmd.Context())
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			for _, one := range all {
				mark := " "
				if one.Current {
					mark = "*"
				}
				fmt.Fprintln(cmd.OutOrStdout(), mark, one.Digest)
			}
			return nil
		})
	}
	return c
}
