package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"forkgate/gate/policy"
)

func policySchemaCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "schema", Args: noOther,
		Short: "print all that a policy can be written with: blocks, facts, functions, operations",
	}
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), policy.NewReference())
		}
		_, err := fmt.Fprint(cmd.OutOrStdout(), policy.NewReference())
		return err
	}
	return c
}

func policyTestCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "test [DIR]", Args: words(0, 1),
		Short: "run the policy's own tests, and list them",
		Long: "Run the test blocks of the policy and list what came of each; the exit code is 1 if one fails. Each load runs them as well: a policy\n" +
			"that fails one of its tests is not put in force.",
	}
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		dir, anyOwner := policyIn(args)
		p, err := loadPolicy(dir, anyOwner)
		var wrong *policy.LoadError
		switch {
		case err == nil:
			return showTrials(cmd, p.Trials(), *asJSON)
		case errors.As(err, &wrong) && len(wrong.Trials()) > 0:
			return showTrials(cmd, wrong.Trials(), *asJSON)
		}
		return complain(cmd, err, *asJSON)
	}
	return c
}

// showTrials lists tests, and explains those that failed.
func showTrials(cmd *cobra.Command, trials []policy.Trial, asJSON bool) error {
	out, failed := cmd.OutOrStdout(), 0
	for _, t := range trials {
		if !t.Passed {
			failed++
		}
	}
	if asJSON {
		if err := printJSON(out, trials); err != nil {
			return err
		}
	} else {
		for _, t := range trials {
			word, answer := "ok", ""
			if !t.Passed {
				word, answer = "FAIL", "\n"+indented(t.Answer)
			}
			fmt.Fprintf(out, "%-4s  %s, %s%s\n", word, t.Name, t.Where, answer)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d tests fail", failed, len(trials))
	}
	return nil
}

func indented(text string) string {
	return "      " + string(bytes.ReplaceAll([]byte(text), []byte("\n"), []byte("\n      ")))
}

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
			return formatStream(cmd.InOrStdin(), cmd.OutOrStdout(), cmd)
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

func formatStream(in io.Reader, out io.Writer, cmd *cobra.Command) error {
	text, err := io.ReadAll(io.LimitReader(in, policy.MaxFile+1))
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
	_, err = out.Write(formatted)
	return err
}
