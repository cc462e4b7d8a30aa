package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"forkgate/gate/secrets"
	"forkgate/gate/warden/client"
)

const secretHelp = `Give what runs in a repository a password or a token, which is in none of its files: a file /run/secrets/NAME in its sessions and
for its Docker daemon, from the next start of its pod on. It is in memory alone there: no fork and no backup has it.

Forks have no value but one that you give them with --forks, and never the repository's.

The value is read from standard input, or asked for; one newline at its end is taken off. Nobody can read it back, not even you.

  forkgate secret set shop DB_PASSWORD <password.txt
  openssl rand -hex 16 | forkgate secret set shop DB_PASSWORD --forks

In a compose file:

  secrets:
    DB_PASSWORD:
      file: /run/secrets/DB_PASSWORD

With --variable it is in the environment of sessions as well. What a program then gives to a container as a variable lies in Docker's
configuration, and so in each fork of the repository: a file does not.`

func secretCommand() *cobra.Command {
	list := &cobra.Command{Use: "list REPO", Short: "list what a repository and its forks are given, without a value", Args: words(1, 1)}
	asJSON := jsonFlag(list)
	list.RunE = func(cmd *cobra.Command, args []string) error {
		return withWarden(func(c *client.Client) error {
			all, err := c.Secrets(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			return printSecrets(cmd.OutOrStdout(), all)
		})
	}
	rm := &cobra.Command{Use: "remove REPO NAME", Aliases: []string{"rm"}, Short: "give it no more, from the next start of the pod on", Args: words(2, 2)}
	forks := rm.Flags().Bool("forks", false, "the forks' value")
	rm.RunE = func(cmd *cobra.Command, args []string) error {
		return withWarden(func(c *client.Client) error {
			return c.SecretRemove(cmd.Context(), client.SecretRemoveRequest{Repo: args[0], Name: args[1], Forks: *forks})
		})
	}
	return group("secret", "give repositories passwords and tokens, and their forks others", secretSetCommand(), list, rm)
}

func secretSetCommand() *cobra.Command {
	c := &cobra.Command{Use: "set REPO NAME", Short: "give a repository, or its forks, a value", Long: secretHelp, Args: words(2, 2)}
	q := client.SecretSetRequest{}
	c.Flags().BoolVar(&q.Forks, "forks", false, "for forks, in the place of the repository's own")
	c.Flags().BoolVar(&q.Variable, "variable", false, "in the environment of sessions as well")
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		q.Repo, q.Name = args[0], args[1]
		if q.Value, err = readSecret(cmd); err != nil {
			return err
		}
		return withWarden(func(c *client.Client) error { return c.SecretSet(cmd.Context(), q) })
	}
	return c
}

// readSecret asks for a value where somebody sits there, without showing it, and reads it where not.
func readSecret(cmd *cobra.Command) (value []byte, err error) {
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(cmd.ErrOrStderr(), "Value: ")
		value, err = term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
	} else {
		value, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), secrets.MaxValue+2))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the value: %w", err)
	}
	if n := len(value); n > 0 && value[n-1] == '\n' {
		value = value[:n-1]
	}
	if len(value) == 0 {
		return nil, errors.New("the value is empty; give it on standard input")
	}
	return value, nil
}

func printSecrets(out io.Writer, all []client.Secret) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tFOR\tGIVEN AS\tSET")
	for _, s := range all {
		who, as := "repository", "file"
		if s.Forks {
			who = "forks"
		}
		if s.Variable {
			as = "file, variable"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Name, who, as, s.Set.Local().Format(time.DateTime))
	}
	return w.Flush()
}
