package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"forkgate/fork"
	"forkgate/systemd"
)

// mountUnit mounts the pool. systemd wants its name to be the mount point's (systemd.mount(5)).
const mountUnit = "var-lib-forkgate-pool.mount"

func poolCommand() *cobra.Command {
	return group("pool", "the btrfs filesystem that repositories and forks live on", poolInitCommand(), poolStatusCommand())
}

func poolInitCommand() *cobra.Command {
	c := &cobra.Command{Use: "init", Short: "make a pool, in a sparse file or on a device, and mount it", Args: words(0, 0)}
	file := c.Flags().String("file", stateDir+"/pool.btrfs", "sparse file to make")
	size := c.Flags().String("size", "20G", "size of the file; it takes up what is written to it")
	device := c.Flags().String("device", "", "an empty block device, instead of a file; what is none, or is not empty, is refused")
	existing := c.Flags().Bool("existing", false, "mount the pool that is there, after its mount unit was lost")
	c.MarkFlagsMutuallyExclusive("existing", "size")
	c.MarkFlagsMutuallyExclusive("device", "file")
	c.MarkFlagsMutuallyExclusive("device", "size")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := needRoot("making a pool"); err != nil {
			return err
		}
		bytes, err := parseSize(*size)
		if err != nil {
			return err
		}
		options := fork.PoolOptions{File: *file, Size: bytes, Existing: *existing}
		if *device != "" {
			options = fork.PoolOptions{Device: *device, Existing: *existing}
		}
		if err := initPool(cmd.Context(), options); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "the pool is mounted at %s; next: systemctl enable --now forkgate.target, forkgate rootfs build\n", poolDir)
		return nil
	}
	return c
}

// parseSize reads 500M, 20G, 2T: powers of 1024.
func parseSize(s string) (int64, error) {
	digits, unit := s[:max(0, len(s)-1)], s[max(0, len(s)-1):]
	shift := map[string]int{"M": 20, "G": 30, "T": 40}[unit]
	n, err := strconv.ParseUint(digits, 10, 20)
	if shift == 0 || err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no size; write it like 20G", s)
	}
	return int64(n) << shift, nil
}

// initPool makes the filesystem and the unit that mounts it. Of what fails half-way nothing stays.
func initPool(ctx context.Context, options fork.PoolOptions) (err error) {
	if err := emptyDir(poolDir); err != nil {
		return err
	}
	units, err := systemd.Connect()
	if err != nil {
		return err
	}
	defer units.Close() // after the undoing, which needs systemd
	var undo []func() error
	defer func() {
		for i := len(undo) - 1; err != nil && i >= 0; i-- {
			err = errors.Join(err, undo[i]())
		}
	}()

	what, how, err := fork.InitPool(ctx, options)
	if err != nil {
		return err
	}
	if options.File != "" && !options.Existing {
		undo = append(undo, func() error { return os.Remove(options.File) })
	}
	unit := filepath.Join("/etc/systemd/system", mountUnit)
	if err := writeUnit(unit, what, how); err != nil {
		return err
	}
	undo = append(undo, func() error { return errors.Join(os.Remove(unit), units.Reload(context.WithoutCancel(ctx))) })
	if err := units.Reload(ctx); err != nil {
		return err
	}
	undo = append(undo, func() error { return units.Disable(context.WithoutCancel(ctx), mountUnit) })
	if err := units.Enable(ctx, mountUnit); err != nil {
		return err
	}
	undo = append(undo, func() error { return units.Stop(context.WithoutCancel(ctx), mountUnit) })
	if err := units.Start(ctx, mountUnit); err != nil {
		return err
	}
	// Now, and not only when the warden starts: whoever makes a pool is there to hear that the kernel is too old.
	if err := fork.EnableQuota(poolDir); err != nil {
		return fmt.Errorf("cannot make a pool: %w", err)
	}
	return nil
}

// emptyDir makes the mount point. What is in the way of a pool may be one already: it is not touched.
func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the pool's mount point: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot look at the pool's mount point: %w", err)
	}
	var here, above unix.Stat_t
	if err := errors.Join(unix.Stat(dir, &here), unix.Stat(filepath.Dir(dir), &above)); err != nil {
		return fmt.Errorf("cannot look at the pool's mount point: %w", err)
	}
	if len(entries) > 0 || here.Dev != above.Dev {
		return fmt.Errorf("%s is in use; forkgate pool status shows what is there", dir)
	}
	return nil
}

func writeUnit(path, what, how string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: there is a pool already, or was one; remove that file to make another", path)
	}
	if err != nil {
		return fmt.Errorf("cannot write the pool's mount unit: %w", err)
	}
	_, err = fmt.Fprintf(f, "[Unit]\nDescription=forkgate pool\nBefore=forkgate-warden.service\n\n"+
		"[Mount]\nWhat=%s\nWhere=%s\nType=btrfs\nOptions=%s\n\n[Install]\nWantedBy=local-fs.target\n", what, poolDir, how)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("cannot write the pool's mount unit: %w", err), os.Remove(path))
	}
	return nil
}

func poolStatusCommand() *cobra.Command {
	c := &cobra.Command{Use: "status", Short: "say how full the pool is", Args: words(0, 0)}
	path := c.Flags().String("pool", poolDir, "where the pool is mounted")
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := needRoot("looking at the pool"); err != nil {
			return err
		}
		s, err := fork.Status(*path)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), s)
		}
		const gib = 1 << 30
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "pool\t%s\nsize\t%.1f GiB\nfree\t%.1f GiB%s\n", s.Path, float64(s.Size)/gib, float64(s.Free)/gib, onItsWay(s.Returning))
		return w.Flush()
	}
	return c
}
