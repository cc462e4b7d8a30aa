package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"forkgate/cmd/manual"
	"forkgate/gate"
)

// Where things are on a host. The units and admin.md say the same.
const (
	stateDir   = "/var/lib/forkgate"
	poolDir    = stateDir + "/pool"
	policyDir  = "/etc/forkgate"
	gateUser   = "forkgate"
	egressUser = "forkgate-egress"
)

// version is set by the linker.
var version = "dev"

func commands() *cobra.Command {
	root := &cobra.Command{
		Use:           "forkgate",
		Short:         "a gate in front of production: agents work in copy-on-write forks",
		Long:          "A gate in front of production: agents work in copy-on-write forks.\n\n" + exitCodes(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noOther,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, group := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Repositories and forks:", append(verbCommands(), repoCommand(), secretCommand(), backupCommand(), backupsCommand(), restoreCommand())},
		{"The host:", []*cobra.Command{setupCommand(), statusCommand(), doctorCommand(), doorsCommand(), logsCommand(), auditCommand(), recordingsCommand(), replayCommand(), watchCommand(), metricsCommand(), policyCommand(), poolCommand(), rootfsCommand(), keyCommand(), hostKeyCommand(), downCommand(), versionCommand()}},
		{"Services, started by systemd or sshd:", []*cobra.Command{wardenCommand(), gateCommand(), netCommand(), egressCommand(), sessionCommand(), pamCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title})
		for _, c := range group.commands {
			c.GroupID = group.title
			root.AddCommand(c)
		}
	}
	root.AddCommand(connectCommand(), manual.Command(writePolicyPage))
	return root
}

// exitCodes is for the manual page.
func exitCodes() string {
	return fmt.Sprintf("Exit codes: 0 it is done; %d nobody was asked, for a wrong word or what is missing on the host; %d refused, and nothing ran;\n"+
		"%d the gate failed. A session ends with the code of its command.", exitUsage, gate.ExitRefused, gate.ExitFailed)
}

func versionCommand() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "print the version", Args: words(0, 0)}
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), struct {
				Version string `json:"version"`
			}{fullVersion()})
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "forkgate", fullVersion())
		return err
	}
	return c
}

// fullVersion adds the commit where the linker knew of no release.
func fullVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || version != "dev" {
		return version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return version + " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return version
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: noOther,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(commands...)
	return c
}

// noOther refuses a word that is none of the commands.
func noOther(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	hint := c.CommandPath() + " --help lists them"
	if like := c.SuggestionsFor(args[0]); len(like) > 0 {
		hint = "did you mean " + strings.Join(like, " or ") + "?"
	}
	return fmt.Errorf("there is no command %q; %s", c.CommandPath()+" "+args[0], hint)
}

func jsonFlag(c *cobra.Command) *bool { return c.Flags().Bool("json", false, "print JSON") }

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// words counts what follows a command.
func words(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if n := len(args); n < least || n > most {
			return fmt.Errorf("%s takes %s, not %d: %s", c.CommandPath(), gate.CountWords(least, most), n, c.UseLine())
		}
		return nil
	}
}
