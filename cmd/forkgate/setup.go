package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"forkgate/cmd/forkgate/doctor"
	"forkgate/cmd/forkgate/doors"
	"forkgate/cmd/forkgate/setup"
	"forkgate/gate"
)

const setupHelp = `Make a gate of this host: a pool for repositories and forks, who may speak, the services, the tools inside sessions, the first repository,
and when somebody was seen to come in through the gate: port 22, and the other ways onto this host.
It asks what it needs to know, before it does anything; --yes takes what it proposes, and flags say it. Each step is shown as the command that it
is; what is there already is left as it is, so that a setup that failed goes on when it is said again.

Who may speak is whoever has one of the keys in --keys, by default those by which you log in to this host. A key is an agent's unless --vouched
says that no agent reaches any of them: agents work in forks, and never in a repository.

  forkgate setup
  forkgate setup --yes --principal alice --vouched --from /srv/shop
  forkgate setup --yes --principal alice --port-22 --doors    # on a host where all else is done`

func setupCommand() *cobra.Command {
	c := &cobra.Command{Use: "setup", Short: "make a gate of this host, step by step", Long: setupHelp, Args: words(0, 0)}
	var a setup.Answers
	c.Flags().StringVar(&a.Device, "device", "", "an empty block device for the pool; without it the pool is a file")
	c.Flags().StringVar(&a.Size, "size", "", "how large that file may become (20G)")
	c.Flags().StringVar(&a.Principal, "principal", "", "your name at the gate; with --port-22 and --doors whose login is waited for")
	c.Flags().StringVar(&a.Keys, "keys", "", "file with your public keys, as in authorized_keys")
	c.Flags().BoolVar(&a.Vouched, "vouched", false, "no AI agent reaches any of these keys: who has one is a person")
	c.Flags().StringVar(&a.Rootfs, "rootfs", "", "tar file with a Debian for sessions; without it one is built, from the network")
	c.Flags().StringVar(&a.From, "from", "", "what the first repository is made of: a directory, a tar file, or a directory with a Compose project that runs")
	c.Flags().StringVar(&a.Repo, "repo", "", "the first repository's name")
	c.Flags().BoolVar(&a.Port, "port-22", false, "the gate takes port 22, and sshd listens at "+setup.SSHD.String()+" alone")
	c.Flags().BoolVar(&a.Doors, "doors", false, "close the other ways onto this host, to all but the group forkgate-admin, as forkgate doors --close does")
	yes := c.Flags().Bool("yes", false, "ask nothing, and take what would be proposed")
	c.MarkFlagsMutuallyExclusive("device", "size")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := needRoot("setting up a host"); err != nil {
			return err
		}
		var asker setup.Asker = proposals{}
		if !*yes {
			terminal, err := newTerminal(os.Stdin, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			asker = terminal
		}
		h, err := thisHost(cmd.OutOrStdout())
		if err != nil {
			return err
		}
		ctx, stop := untilHangup(cmd.Context())
		defer stop()
		if err := setup.Run(ctx, h, asker, a); err != nil {
			return err
		}
		return afterSetup(cmd)
	}
	return c
}

// afterSetup says what this host still lacks, and what to type elsewhere.
func afterSetup(cmd *cobra.Command) error {
	rows := doctor.Examine(cmd.Context(), doctor.Here(poolDir, published, hostKeys))
	out := cmd.OutOrStdout()
	if doctor.Count(rows, doctor.Green) < len(rows) {
		fmt.Fprintln(out, "\nwhat forkgate doctor has to say")
		if err := doctor.Write(out, rows, true); err != nil {
			return err
		}
	}
	if n := doctor.Count(rows, doctor.Red); n > 0 {
		return fmt.Errorf("this host is not as it should be: %d red; what to type is below each", n)
	}
	port := gatePort()
	at := sshTo(port) + gate.ControlUser + "@THIS-HOST "
	if _, err := fmt.Fprintf(out, "\nthe gate listens on port %d. From a workstation:\n  %swhoami\n  %shelp\n", port, at, at); err != nil || (hostDoors{}).Kept() {
		return err
	}
	_, err := fmt.Fprintln(out, "Once it lets you in: what else leads onto this host, past it, and how to close that\n  forkgate doors\n  forkgate setup --doors")
	return err
}

// gatePort is where the gate of this host listens, as setup has it.
func gatePort() int {
	if doors.New().PortHeld() {
		return 22
	}
	return 2222
}

// sshTo begins a command by which one comes to a port from elsewhere.
func sshTo(port int) string {
	if port == 22 {
		return "ssh "
	}
	return fmt.Sprintf("ssh -p %d ", port)
}
