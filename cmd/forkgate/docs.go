package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"forkgate/gate/policy"
)

// docsCommand writes what make install puts beside the program. It is hidden: nobody but make has a use for it.
func docsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "docs DIR", Short: "write manual pages and completions into a directory", Hidden: true, Args: words(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return writeDocs(cmd.Root(), args[0]) },
	}
}

func writeDocs(root *cobra.Command, dir string) error {
	for _, below := range []string{"man1", "man5", "completions"} {
		if err := os.MkdirAll(filepath.Join(dir, below), 0o755); err != nil {
			return err
		}
	}
	root.DisableAutoGenTag = true // the same each time
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "forkgate", Manual: "forkgate"}, filepath.Join(dir, "man1")); err != nil {
		return fmt.Errorf("cannot write manual pages: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "man5", "forkgate-policy.5"), []byte(policyPage(policy.NewReference())), 0o644); err != nil {
		return err
	}
	completions := filepath.Join(dir, "completions")
	for _, write := range []func() error{
		func() error { return root.GenBashCompletionFileV2(filepath.Join(completions, "forkgate"), true) },
		func() error { return root.GenZshCompletionFile(filepath.Join(completions, "_forkgate")) },
		func() error { return root.GenFishCompletionFile(filepath.Join(completions, "forkgate.fish"), true) },
	} {
		if err := write(); err != nil {
			return fmt.Errorf("cannot write completions: %w", err)
		}
	}
	return nil
}

// policyPage is forkgate-policy(5), in man(7)'s macros.
func policyPage(all policy.Reference) string {
	var text strings.Builder
	text.WriteString(".TH FORKGATE-POLICY 5 \"\" forkgate forkgate\n.SH NAME\nforkgate-policy \\- who may do what at a forkgate\n.SH DESCRIPTION\n" +
		"Files *.hcl in /etc/forkgate and /etc/forkgate/policy.d, read together, in HCL. What no permit matches is refused, and a forbid beats every permit.\n" +
		"The order of files and of rules never matters.\n.PP\nforkgate policy check says what is wrong with them; what loads is in force at once.\n.SH REFERENCE\n.nf\n")
	for line := range strings.Lines(all.String()) {
		line = strings.ReplaceAll(strings.ReplaceAll(line, `\`, `\e`), "-", `\-`)
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		text.WriteString(line)
	}
	text.WriteString(".fi\n.SH SEE ALSO\n.BR forkgate (1),\n.BR forkgate\\-policy\\-schema (1)\n")
	return text.String()
}
