package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

func keyCommand() *cobra.Command {
	rm := &cobra.Command{
		Use: "remove NAME", Short: "have an enrolled security key count for nothing any more", Args: words(1, 1),
		ValidArgsFunction: completeKeys,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withWarden(func(c *client.Client) error { return c.KeyRemove(cmd.Context(), args[0]) })
		},
	}
	return group("key", "enroll, list and remove the security keys whose touch shows that a person is there",
		keyEnrollCommand(), keyListCommand(), rm)
}

const enrollHelp = `Enroll a security key whose maker attests that its private half never leaves it. Beside a certificate of the
principal's workstation, a touch of it makes evidence of class 4; and it may approve.

Who has the key makes it, with a challenge of yours, and sends back three files:

  head -c 32 /dev/urandom >challenge                                            # you, once for each key
  ssh-keygen -t ed25519-sk -O challenge=challenge -O write-attestation=attestation
  forkgate key enroll alice-yubikey --principal alice --key id_ed25519_sk.pub \
    --challenge challenge --attestation attestation --root maker.pem

The root certificate is what the key's maker publishes for attestations of FIDO keys. A key without an attestation can
be marked in the policy instead, for entering alone: see security_key in forkgate-policy(5).`

func keyEnrollCommand() *cobra.Command {
	c := &cobra.Command{Use: "enroll NAME", Short: "enroll a security key by its maker's attestation", Long: enrollHelp, Args: words(1, 1)}
	f := c.Flags()
	principal := f.String("principal", "", "whose presence a touch of the key shows")
	key := f.String("key", "", "its public key: the .pub file")
	attestation := f.String("attestation", "", "the file of ssh-keygen -O write-attestation=FILE")
	challenge := f.String("challenge", "", "the file of ssh-keygen -O challenge=FILE")
	roots := f.StringArray("root", nil, "PEM file of the maker's root certificate; may be given more than once")
	asJSON := jsonFlag(c)
	for _, name := range []string{"principal", "key", "attestation", "challenge", "root"} {
		_ = c.MarkFlagRequired(name) // fails for flags that are not there
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := client.KeyEnrollRequest{Name: args[0], Principal: *principal}
		if err := readFiles(&q, *key, *attestation, *challenge, *roots); err != nil {
			return err
		}
		var made client.SecurityKey
		err := withWarden(func(c *client.Client) (err error) {
			made, err = c.KeyEnroll(cmd.Context(), q)
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), made)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is enrolled for %s: %s, attested by %s\n", made.Name, made.Principal, made.Fingerprint, gate.Printable(made.By))
		return err
	}
	return c
}

// readFiles reads what an enrolment is made of.
func readFiles(q *client.KeyEnrollRequest, key, attestation, challenge string, roots []string) (err error) {
	var pem bytes.Buffer
	for _, path := range roots {
		text, err := readSmall(path)
		if err != nil {
			return err
		}
		pem.Write(append(text, '\n'))
	}
	if q.Roots = pem.Bytes(); len(q.Roots) > maxFile {
		return fmt.Errorf("the root certificates have more than %d bytes: give the one of this key's maker", maxFile)
	}
	for _, file := range []struct {
		to   *[]byte
		path string
	}{{&q.Key, key}, {&q.Attestation, attestation}, {&q.Challenge, challenge}} {
		if *file.to, err = readSmall(file.path); err != nil {
			return err
		}
	}
	return nil
}

// maxFile is how long a file of an enrolment may be: all of them go to the warden in one message.
const maxFile = 12 << 10

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read what is to be enrolled: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read what is to be enrolled: %w", err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("%s has more than %d bytes: is it the right file?", path, maxFile)
	case len(text) == 0:
		return nil, errors.New(path + " is empty")
	}
	return text, nil
}

func keyListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "list the security keys that are enrolled, and those that the policy marks", Args: words(0, 0)}
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var keys []client.SecurityKey
		err := withWarden(func(c *client.Client) (err error) {
			keys, err = c.KeyList(cmd.Context())
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), keys)
		}
		return printKeys(cmd.OutOrStdout(), keys)
	}
	return c
}

func printKeys(out io.Writer, keys []client.SecurityKey) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, k := range keys {
		how := "marked in the policy, for entering alone"
		if k.Enrolled {
			how = "enrolled " + k.At.UTC().Format(time.DateOnly) + ", attested by " + gate.Printable(k.By)
		}
		if !k.Asked {
			how += "; its owner signs a line to come in with it, as it is no ed25519-sk key"
		}
		if !k.Known {
			how += "; counts for nothing, as the policy has no such principal"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Name, k.Principal, k.Fingerprint, how)
	}
	return w.Flush()
}

// completeKeys completes the names of enrolled keys.
func completeKeys(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	_ = withWarden(func(c *client.Client) error { // without a warden there is nothing to complete
		keys, err := c.KeyList(cmd.Context())
		for _, k := range keys {
			if k.Enrolled {
				names = append(names, k.Name)
			}
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}
