package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"forkgate/gate/policy"
)

func policyFmtCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "fmt [FILE|DIR|-]...", Args: cobra.ArbitraryArgs,
		Short: "lay policy files out in the one usual way",
		Long: "Lay policy files out in the one usual way, and name those that were changed: the installed policy's, or the named files, and the\n" +
			"*.hcl files of the named directories. - reads standard input and prints the result. What a file means does not change; one that\n" +
			"cannot be parsed is left as it is.",
	}
	check := c.Flags().Bool("check", false, "change nothing; the exit code is 1 if a file would be changed")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] == "-" {
			return formatStream(cmd)
		}
		if len(args) == 0 {
			args = []string{policyDir}
		}
		changed := 0
		for _, path := range args {
			files, err := filesIn(path)
			if err != nil {
				return err
			}
			for _, file := range files {
				differs, err := formatFile(file, *check)
				if err != nil {
					return complain(cmd, err, false)
				}
				if differs {
					changed++
					fmt.Fprintln(cmd.OutOrStdout(), file.Name)
				}
			}
		}
		if *check && changed > 0 {
			return fmt.Errorf("%s not laid out in the usual way; forkgate policy fmt does it", counted(changed, "file is", "files are"))
		}
		return nil
	}
	return c
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// filesIn reads a policy file, or those of a directory and of its policy.d.
func filesIn(path string) ([]policy.File, error) {
	files, err := policy.Disk{Path: path, AnyOwner: true}.Files()
	if below := filepath.Join(path, "policy.d"); err == nil && isDir(below) {
		var more []policy.File
		more, err = policy.Disk{Path: below, AnyOwner: true}.Files()
		files = append(files, more...)
	}
	return files, err
}

// formatFile lays one file out, and reports whether that changes it. The file is replaced whole, and keeps its owner and mode.
func formatFile(file policy.File, check bool) (bool, error) {
	text, err := policy.Format(file)
	if err != nil || bytes.Equal(text, file.Text) || check {
		return err == nil && !bytes.Equal(text, file.Text), err
	}
	return true, replaceFile(file.Name, text)
}

// replaceFile has a file hold something else, at one stroke: a warden that reads it meanwhile sees the old one or the new one.
func replaceFile(path string, text []byte) (err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("cannot lay %s out: %w", path, err)
	}
	defer func() {
		next.Close()
		if err != nil {
			os.Remove(next.Name())
			err = fmt.Errorf("cannot lay %s out: %w", path, err)
		}
	}()
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err = next.Chown(int(stat.Uid), int(stat.Gid)); err != nil {
			return err
		}
	}
	if err = next.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if _, err = next.Write(text); err != nil {
		return err
	}
	if err = next.Sync(); err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}

func formatStream(cmd *cobra.Command) error {
	text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), policy.MaxFile+1))
	if err == nil && len(text) > policy.MaxFile {
		err = fmt.Errorf("standard input is longer than a policy file may be, %d bytes", policy.MaxFile)
	}
	if err != nil {
		return err
	}
	formatted, err := policy.Format(policy.File{Name: "standard input", Text: text})
	if err != nil {
		return complain(cmd, err, false)
	}
	_, err = cmd.OutOrStdout().Write(formatted)
	return err
}
