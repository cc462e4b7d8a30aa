// Package manual writes what is installed beside a program from its commands: manual pages and completions of shells. It is not help, which the
// commands print themselves, from the same texts.
package manual

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Command is `docs DIR`. It is hidden: nobody but make has a use for it. more, which may be nil, writes pages that are of no command.
func Command(more func(dir string) error) *cobra.Command {
	return &cobra.Command{
		Use: "docs DIR", Short: "write manual pages and completions into a directory", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := write(cmd.Root(), args[0]); err != nil || more == nil {
				return err
			}
			return more(args[0])
		},
	}
}

// write makes DIR/man1/*.1, and DIR/completions with a file for each shell, named as the shell looks for it.
func write(root *cobra.Command, dir string) error {
	for _, below := range []string{"man1", "completions"} {
		if err := os.MkdirAll(filepath.Join(dir, below), 0o755); err != nil {
			return err
		}
	}
	root.DisableAutoGenTag = true // the same each time
	if err := pages(root, filepath.Join(dir, "man1")); err != nil {
		return fmt.Errorf("cannot write manual pages: %w", err)
	}
	completions := filepath.Join(dir, "completions")
	for _, write := range []func() error{
		func() error { return root.GenBashCompletionFileV2(filepath.Join(completions, root.Name()), true) },
		func() error { return root.GenZshCompletionFile(filepath.Join(completions, "_"+root.Name())) },
		func() error { return root.GenFishCompletionFile(filepath.Join(completions, root.Name()+".fish"), true) },
	} {
		if err := write(); err != nil {
			return fmt.Errorf("cannot write completions: %w", err)
		}
	}
	return nil
}

// pages writes those of a command and of what is below it.
func pages(c *cobra.Command, dir string) error {
	for _, below := range c.Commands() {
		if !below.IsAvailableCommand() || below.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := pages(below, dir); err != nil {
			return err
		}
	}
	described := *c
	described.Long = asIs(c.Long)
	var page bytes.Buffer
	if err := doc.GenMan(&described, &doc.GenManHeader{Section: "1", Source: "forkgate", Manual: "forkgate"}, &page); err != nil {
		return err
	}
	text := strings.ReplaceAll(page.String(), "[=false]", "")
	name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
	return os.WriteFile(filepath.Join(dir, name), []byte(noDefault.ReplaceAllString(text, "=...")), 0o644)
}

// noDefault is what stands behind a flag that takes something, and nothing by default.
var noDefault = regexp.MustCompile(`(?m)=(""|\[\])$`)

var setIn = regexp.MustCompile(`(?m)^  `)

// asIs is a text in which what is set in by two spaces, a list or commands to type, stays as it is: in the Markdown that pages are made of, four do that.
func asIs(text string) string { return setIn.ReplaceAllString(text, "      ") }
