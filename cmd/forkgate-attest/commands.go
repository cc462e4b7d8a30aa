package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"forkgate/cmd/manual"
	"forkgate/gate"
	"forkgate/gate/policy"
	"forkgate/gate/provenance"
	"forkgate/gate/provenance/attestor"
)

// Where things are on a workstation. The units and workstations.md say the same.
const (
	configFile = "/etc/forkgate-attest/attest.hcl"
	keyFile    = "/etc/forkgate-attest/attest_key"
	socketFile = "/run/forkgate/attest.sock"
	sysctlDir  = "/proc/sys"
)

// version is set by the linker.
var version = "dev"

func commands() *cobra.Command {
	root := &cobra.Command{
		Use: "forkgate-attest", Short: "say to gates whether a person or an agent connects", Version: version,
		Long: "Say to gates, on the word of this workstation's root, whether a person or an agent has opened a connection.\n\n" +
			fmt.Sprintf("The exit code is 0, or %d where something is wrong, which a line on standard error tells; who it is that asks\nis no matter of exit codes: whoami says it.", exitFailed),
		SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(whoamiCommand(), initCommand(), sshConfigCommand(), checkCommand(), runCommand(), relayCommand(), markCommand(), manual.Command(nil))
	return root
}

func needRoot(what string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%s needs root; use sudo", what)
	}
	return nil
}

func configFlag(c *cobra.Command) *string {
	return c.Flags().String("config", configFile, "the configuration")
}

// load reads the configuration, and the agents that it names. As root it reads only what nobody else can write.
func load(path string) (attestor.Config, []provenance.Agent, error) {
	files, err := policy.Disk{Path: path}.Files()
	if err != nil {
		return attestor.Config{}, nil, err
	}
	if len(files) != 1 {
		return attestor.Config{}, nil, fmt.Errorf("cannot read %s: it is a directory, and the configuration is one file", path)
	}
	config, err := attestor.ParseConfig(files[0].Name, files[0].Text)
	if err != nil {
		return attestor.Config{}, nil, err
	}
	agents, err := policy.LoadAgents(policy.Disk{Path: config.Agents})
	if err != nil {
		return attestor.Config{}, nil, fmt.Errorf("cannot load the agents: %w", err)
	}
	if len(agents) == 0 {
		return attestor.Config{}, nil, fmt.Errorf("cannot use %s: it knows no agent, so that everybody would be a person", config.Agents)
	}
	return config, agents, nil
}

func whoamiCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "whoami", Args: cobra.NoArgs, Short: "show whose this process is, and why",
		Long: "Show what the attestor would tell a gate of an ssh that is started here: the processes up to the login, the verdict,\n" +
			"and the reasons for it. The daemon must run; any user may ask.",
	}
	socket := c.Flags().String("socket", socketFile, "the attestor's socket")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		report, err := attestor.Whoami(cmd.Context(), *socket)
		if err != nil {
			return err
		}
		report.Leave = report.LeaveFrom(os.Environ())
		if !*asJSON {
			_, err = fmt.Fprint(cmd.OutOrStdout(), report)
			return err
		}
		return printJSON(cmd.OutOrStdout(), report)
	}
	return c
}

func initCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "init", Args: cobra.NoArgs, Short: "make this workstation's key, and print what a gate's policy says of it (root)",
		Long: "Make the key that signs for this workstation, where there is none, and print the block for the policy of a gate. The block\n" +
			"is the operator's of the gate to judge: whoever is root here can speak for all principals in it.",
	}
	key := c.Flags().String("key", keyFile, "the key")
	name := c.Flags().String("name", "", "what to call this workstation; its host name by default")
	principals := c.Flags().StringArray("principal", nil, "who a uid here is at the gate: 1000=alice")
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if err := needRoot("making a key"); err != nil {
			return err
		}
		who, err := readPrincipals(*principals)
		if err != nil {
			return err
		}
		if *name == "" {
			if *name, err = os.Hostname(); err != nil {
				return err
			}
		}
		if err := provenance.CheckAttestorName(*name); err != nil {
			return fmt.Errorf("%q cannot be this workstation's name: %w; use --name NAME", *name, err)
		}
		signer, err := attestor.InitKey(*key)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), attestor.Block(*name, signer.PublicKey(), who))
		return err
	}
	return c
}

// readPrincipals reads UID=PRINCIPAL,... as a policy takes them: a uid as it is printed, and each of them once.
func readPrincipals(said []string) (map[string]string, error) {
	who := map[string]string{}
	for _, pair := range strings.Split(strings.Join(said, ","), ",") {
		if pair == "" {
			return nil, errors.New("a block for nobody lets nobody in; say who a uid here is at the gate: --principal 1000=alice")
		}
		uid, principal, _ := strings.Cut(pair, "=")
		if n, err := strconv.ParseUint(uid, 10, 32); err != nil || strconv.FormatUint(n, 10) != uid {
			return nil, fmt.Errorf("%q is no uid; use --principal 1000=alice", uid)
		}
		if err := gate.CheckName(principal); err != nil {
			return nil, fmt.Errorf("%q is no principal: %w", principal, err)
		}
		if was, twice := who[uid]; twice && was != principal {
			return nil, fmt.Errorf("uid %s is %s and %s: it can be one principal", uid, was, principal)
		}
		who[uid] = principal
	}
	return who, nil
}

func sshConfigCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "ssh-config", Args: cobra.NoArgs, Short: "print what leads ssh to the attestor, for /etc/ssh/ssh_config.d/forkgate.conf",
	}
	config, socket := configFlag(c), c.Flags().String("socket", socketFile, "the attestor's socket")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded, _, err := load(*config)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), loaded.SSHConfig(*socket))
		return err
	}
	return c
}

func checkCommand() *cobra.Command {
	c := &cobra.Command{Use: "check", Args: cobra.NoArgs, Short: "load the configuration and say what is wrong with it"}
	config := configFlag(c)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded, agents, err := load(*config)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), checked{len(loaded.Gates), len(agents), append([]string{}, loaded.Warnings()...)})
		}
		for _, line := range loaded.Warnings() {
			fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+line)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, %s\n", gate.Count(len(loaded.Gates), "gate"), gate.Count(len(agents), "agent"))
		return err
	}
	return c
}

// checked is what check prints with --json.
type checked struct {
	Gates    int      `json:"gates"`
	Agents   int      `json:"agents"`
	Warnings []string `json:"warnings"`
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func relayCommand() *cobra.Command {
	return &cobra.Command{
		Use: attestor.RelayCommand, Args: cobra.NoArgs, Hidden: true, Short: "relay to a caller's own agent; the daemon starts it",
		RunE: func(cmd *cobra.Command, _ []string) error { return attestor.Relay(cmd.InOrStdin()) },
	}
}

func markCommand() *cobra.Command {
	return &cobra.Command{
		Use: attestor.MarkCommand + " PID", Args: cobra.ExactArgs(1), Hidden: true, Short: "mark a process; the daemon starts it",
		RunE: func(_ *cobra.Command, args []string) error {
			pid, err := strconv.Atoi(args[0])
			if err != nil || pid <= 0 {
				return errors.New("mark takes a process id")
			}
			return attestor.Mark(pid)
		},
	}
}
