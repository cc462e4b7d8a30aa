package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// withWarden speaks to the warden on the operator's socket.
func withWarden(do func(*client.Client) error) error {
	place := client.OperatorSocket
	if other := os.Getenv("FORKGATE_OPERATOR_SOCKET"); other != "" {
		place = other
	}
	c, err := client.Dial(place)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return errors.New("the operator's commands are root's; use sudo")
	case err != nil:
		return fmt.Errorf("cannot reach the warden: %w; start it with: systemctl start forkgate-warden", err)
	}
	defer c.Close()
	return do(c)
}

// tellOfReading has the record say that root reads what the warden does not have to be asked for. Where the warden does not run nobody can be told,
// and root reads all the same. A log or recordings in another place are no record of this host's.
func tellOfReading(cmd *cobra.Command, args []string) {
	if state, err := cmd.Flags().GetString("state"); err != nil || state != stateDir {
		return
	}
	said := strings.Fields(cmd.CommandPath())[1:]
	cmd.Flags().Visit(func(f *pflag.Flag) { said = append(said, "--"+f.Name+"="+f.Value.String()) })
	command := strings.Join(append(said, args...), " ")
	_ = withWarden(func(c *client.Client) error { return c.Reading(cmd.Context(), command) })
}

// verbCommands are the control words, as commands of the operator. help is cobra's own.
func verbCommands() []*cobra.Command {
	var all []*cobra.Command
	for _, v := range gate.Verbs() {
		if v.Name != "help" {
			all = append(all, verbCommand(v, v.Name))
		}
	}
	return all
}

func verbCommand(v gate.Verb, name string) *cobra.Command {
	c := &cobra.Command{
		Use: strings.TrimSpace(name + " " + v.Args), Short: v.Summary, Long: strings.TrimSpace(v.Summary + "\n\n" + v.Detail), Args: words(v.Min, v.Max),
	}
	c.ValidArgsFunction = cobra.NoFileCompletions
	asJSON := jsonFlag(c)
	for _, f := range v.Flags {
		c.Flags().Bool(f.Name, false, f.Summary)
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := client.VerbRequest{Words: [][]byte{[]byte(v.Name)}, JSON: *asJSON}
		for _, f := range v.Flags {
			if set, err := cmd.Flags().GetBool(f.Name); err == nil && set {
				args = append(args, "--"+f.Name)
			}
		}
		for _, a := range args {
			q.Words = append(q.Words, []byte(a))
		}
		return withWarden(func(c *client.Client) error {
			page, err := c.OperatorVerb(cmd.Context(), q)
			if err == nil {
				_, err = cmd.OutOrStdout().Write(page)
			}
			return err
		})
	}
	return c
}

func repoCommand() *cobra.Command {
	list, _ := gate.FindVerb("repos")
	show, _ := gate.FindVerb("show")
	rm := &cobra.Command{
		Use: "remove NAME", Aliases: []string{"rm"}, Short: "remove a repository that has no forks, and all its data: production", Args: words(1, 1),
	}
	understood := rm.Flags().String("i-understand-this-deletes-production", "", "the repository's name once more")
	rm.RunE = func(cmd *cobra.Command, args []string) error {
		return withWarden(func(c *client.Client) error { return c.RepoRemove(cmd.Context(), args[0], *understood) })
	}
	return group("repo", "make, list and remove repositories",
		repoCreateCommand(), repoAdoptCommand(), repoRunCommand(), verbCommand(list, "list"), verbCommand(show, "show"), rm)
}

func repoCreateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "create NAME", Short: "make a repository, empty or of a directory or tar file", Args: words(1, 1),
	}
	from := c.Flags().String("from", "", "directory, or tar file (plain, gzip, xz, zstd), or - for a tar on standard input")
	keep := c.Flags().Bool("keep-owners", false, "keep uids and gids; else everything belongs to the session's user")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		source, err := openSource(*from)
		if err != nil {
			return err
		}
		return withWarden(func(c *client.Client) error {
			q := client.RepoCreateRequest{Name: args[0], Source: *from, KeepOwners: *keep}
			err := reporting("copying", func(progress func(string)) error {
				return c.RepoCreate(cmd.Context(), q, source, progress)
			})
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is made: ssh %[1]s@host\n", q.Name)
			}
			return err
		})
	}
	return c
}

// openSource opens what a repository or rootfs is made of. The warden gets the descriptor, and never a path.
func openSource(from string) (*os.File, error) {
	switch from {
	case "":
		return nil, nil
	case "-":
		return os.Stdin, nil
	}
	f, err := os.Open(from)
	if err != nil {
		return nil, fmt.Errorf("cannot read the source: %w; name a directory or a tar file", err)
	}
	return f, nil
}

// reporting shows what takes long on standard error: on one line that changes where that is a terminal.
func reporting(what string, do func(progress func(string)) error) error {
	start, end := "", "\n"
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		start, end = "\r\x1b[K", ""
	}
	last := ""
	err := do(func(line string) {
		if line == last {
			return
		}
		last = line
		fmt.Fprint(os.Stderr, start, what, ": ", gate.Printable(line), end)
	})
	if last != "" && end == "" {
		fmt.Fprintln(os.Stderr)
	}
	return err
}

func downCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "down", Short: "call down of the Rediaccfile in each pod that runs, as is done before the host goes down", Args: words(0, 0),
		Long: "Call the function down of the Rediaccfile in each pod that runs, and wait for it, half a minute each: of repositories all at once, and\n" +
			"of forks a few at a time, for as long as three quarters of a minute. forkgate-down.service does so before the host goes down. It stops no pod: whoever calls it is about to.",
	}
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return withWarden(func(c *client.Client) error {
			said, err := c.Down(cmd.Context())
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), said)
			}
			for _, ref := range said.Pods {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s has heard\n", ref); err != nil {
					return err
				}
			}
			if said.Late > 0 {
				return fmt.Errorf("there was no time for %s", gate.Count(said.Late, "fork"))
			}
			return nil
		})
	}
	return c
}

func statusCommand() *cobra.Command {
	c := &cobra.Command{Use: "status", Short: "say how the warden is", Args: words(0, 0)}
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var s client.StatusReply
		err := withWarden(func(c *client.Client) (err error) {
			s, err = c.Status(cmd.Context())
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), s)
		}
		return printStatus(cmd, s)
	}
	return c
}

func printStatus(cmd *cobra.Command, s client.StatusReply) error {
	const gib = 1 << 30
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "warden\t%s, since %s\n", s.Version, s.Since.Format(time.DateTime))
	if s.PoolError != "" {
		fmt.Fprintf(w, "pool\t%s\n", gate.Printable(s.PoolError))
	} else {
		fmt.Fprintf(w, "pool\t%s, %.1f of %.1f GiB free%s\n", s.Pool, float64(s.PoolFree)/gib, float64(s.PoolSize)/gib, onItsWay(s.Returning))
	}
	fmt.Fprintf(w, "trees\t%s, %s\n", gate.Count(s.Repositories, "repository"), gate.Count(s.Forks, "fork"))
	fmt.Fprintf(w, "pods\t%d running %s\n", len(s.Pods), strings.Join(s.Pods, " "))
	fmt.Fprintf(w, "sessions\t%d\n", s.Sessions)
	switch {
	case s.Record != "":
		fmt.Fprintf(w, "record\tcannot be written, so that nobody gets in: %s\n", gate.Printable(s.Record))
	case s.RecordAnchored.IsZero():
		fmt.Fprintf(w, "record\tline %d, signed within a minute\n", s.RecordLine)
	default:
		fmt.Fprintf(w, "record\tline %d, signed %s\n", s.RecordLine, s.RecordAnchored.Local().Format(time.DateTime))
	}
	fmt.Fprintf(w, "recordings\t%s of %s\n", roughly(s.Recordings), roughly(int64(s.RecordingsAtMost)))
	switch {
	case s.PolicySince.IsZero():
		fmt.Fprintf(w, "policy\tnone loads: the doors are shut; forkgate policy check says why\n")
	case s.PolicyError != "":
		fmt.Fprintf(w, "policy\tof %s; the files as they are now do not load, and after a restart nobody would get in: forkgate policy check says why\n", s.PolicySince.Format(time.DateTime))
	default:
		fmt.Fprintf(w, "policy\t%s, loaded %s\n", s.Policy, s.PolicySince.Format(time.DateTime))
	}
	return w.Flush()
}

// onItsWay says that more will be free.
func onItsWay(subvolumes int) string {
	if subvolumes == 0 {
		return ""
	}
	return fmt.Sprintf(", and that of %s that went is on its way", gate.Count(subvolumes, "subvolume"))
}

// roughly is a size for a person who looks at it.
func roughly(bytes int64) string {
	const mib, gib = 1 << 20, 1 << 30
	if bytes < gib {
		return fmt.Sprintf("%.1f MiB", float64(bytes)/mib)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/gib)
}
