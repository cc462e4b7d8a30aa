package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"forkgate/gate"
	"forkgate/gate/warden"
)

const hostKeyHelp = `The keys by which clients know the gate. A new one follows another without a client that notices, if clients have the time to learn it:

  forkgate hostkey add                  # makes one, beside each that there is
  systemctl restart forkgate-warden     # which ends no session
  forkgate hostkey retire               # days or weeks later: the new ones take the place of the old ones
  systemctl restart forkgate-warden

Between the two, each stock ssh that connects learns the new keys (UpdateHostKeys of ssh_config(5)): the gate shows that it has them. Who does not come
in that time is told of a changed host key, as ever, and so is who knows an old key by two names, HOST and [HOST]:2222 for instance: ssh learns nothing
then. Give those the new keys, or a certificate. add FILE takes a key that there is, such as one of the host's own sshd, whose clients then know the gate at
once: /etc/ssh/ssh_host_ed25519_key.

Clients that know an authority, by @cert-authority in known_hosts, need to learn no key: certify takes a certificate that it has made of one.

  ssh-keygen -s CA -h -I gate -n gate.example.org -V +52w /var/lib/forkgate/hostkeys/ssh_host_ed25519_key.pub
  forkgate hostkey certify /var/lib/forkgate/hostkeys/ssh_host_ed25519_key-cert.pub`

func hostKeyCommand() *cobra.Command {
	c := group("hostkey", "list the gate's host keys, and have new ones follow them")
	c.Long = hostKeyHelp
	dir := c.PersistentFlags().String("dir", warden.HostKeysDir, "directory of the host keys")
	list := &cobra.Command{Use: "list", Short: "list the host keys, and those that are to follow them", Args: words(0, 0)}
	asJSON := jsonFlag(list)
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := os.ReadDir(*dir); err != nil { // where it is not there are no keys either, and a table of none would not say why
			return fmt.Errorf("cannot list the host keys, which forkgate setup makes: %w", err)
		}
		all, err := warden.ListHostKeys(*dir)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), all)
		}
		return printHostKeys(cmd.OutOrStdout(), all)
	}
	add := &cobra.Command{
		Use: "add [FILE...]", Short: "have clients learn a new key for each that there is, or those in files", Args: cobra.ArbitraryArgs, Long: hostKeyHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needRoot("forkgate hostkey add"); err != nil {
				return err
			}
			return changed(cmd, warden.AddHostKeys(*dir, args...))
		},
	}
	retire := &cobra.Command{
		Use: "retire", Short: "have the new keys take the place of the old ones", Args: words(0, 0), Long: hostKeyHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot("forkgate hostkey retire"); err != nil {
				return err
			}
			return changed(cmd, warden.RetireHostKeys(*dir))
		},
	}
	certify := &cobra.Command{
		Use: "certify FILE", Short: "show clients a certificate of a host key", Args: words(1, 1), Long: hostKeyHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needRoot("forkgate hostkey certify"); err != nil {
				return err
			}
			return changed(cmd, warden.TakeHostCertificate(*dir, args[0], time.Now()))
		},
	}
	c.AddCommand(list, add, retire, certify)
	return c
}

// changed says what comes next.
func changed(cmd *cobra.Command, err error) error {
	if err != nil {
		var exists *os.PathError
		if errors.As(err, &exists) && errors.Is(err, os.ErrExist) {
			return &gate.Refusal{Reason: filepath.Base(exists.Path) + " is to follow already", Hint: "forkgate hostkey retire"}
		}
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), "next: systemctl restart forkgate-warden, which ends no session")
	return err
}

func printHostKeys(out io.Writer, all []warden.HostKey) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FILE\tTYPE\tFINGERPRINT\tUNTIL")
	for _, k := range all {
		until := ""
		if k.Until != nil {
			until = k.Until.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.File, k.Type, cmp.Or(k.Fault, k.Fingerprint), until)
	}
	return w.Flush()
}
