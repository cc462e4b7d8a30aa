package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"forkgate/cmd/forkgate/doors"
	"forkgate/gate/warden/client"
)

const doorsHelp = `List the ways onto this host that do not lead through the gate, and say of each:

  open    who is in none of forkgate's groups gets in, or that cannot be ruled out; the exit code is 1
  gated   it leads to forkgate session, or lets in who is in the group forkgate-admin alone
  closed  nobody gets in

Below what is open stands what to type. What is not understood, or cannot be seen, is open. Nothing is changed.

--close closes the ways that are named, or all that can be closed without harm; a service that listens, and may be
there for a reason, has to be named. sshd and login ask forkgate pam who may have a shell: members of forkgate-admin,
and root on the console. It refuses where no member of forkgate-admin has a shell and a key that sshd takes. Each
change is written down, with what was there, before it is made.

After a minute systemd takes all of it back, and so does a boot meanwhile, unless you log in anew, become root, and say
forkgate doors --confirm there. That shows that you got in through the closed doors, the way that you came; it shows
nothing of other people and other ways. Who is on the host already stays there, with the groups that he had. ^C has what is being closed taken back,
and leaves what waits already: that is systemd's then.

--undo takes back all that was ever closed, and says what that was; sshd and the gate have their ports again, where setup --port-22 has
changed those. A file that somebody has changed since keeps what he did.

  forkgate doors --close && ssh YOU@host sudo forkgate doors --confirm    # from another terminal`

func doorsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "doors [WAY...]", Short: "list the other ways onto this host, close them, and take that back", Long: doorsHelp,
	}
	f := c.Flags()
	closes := f.Bool("close", false, "close ways, all or those that are named")
	undo := f.Bool("undo", false, "take back all that was closed")
	confirm := f.Bool("confirm", false, "keep what was closed: in a connection that was made since")
	rollback := f.Bool("rollback", false, "take back what is not confirmed: systemd runs it")
	except := f.StringArray("except", nil, "a way that is open for a reason; may be given more than once")
	patience := f.Duration("patience", doors.Patience, "how long a closing waits to be confirmed")
	asJSON := jsonFlag(c)
	_ = f.MarkHidden("rollback") // fails for flags that are not there
	c.MarkFlagsMutuallyExclusive("close", "undo", "confirm", "rollback", "json")
	for _, takesNone := range []string{"undo", "confirm", "rollback"} { // they take back, or keep, all of it
		c.MarkFlagsMutuallyExclusive(takesNone, "except")
		c.MarkFlagsMutuallyExclusive(takesNone, "patience")
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && !*closes {
			return fmt.Errorf("%s takes names of ways behind --close alone", cmd.CommandPath())
		}
		if f.Changed("patience") && !*closes && !*undo && !*confirm && !*rollback {
			return errors.New("--patience is how long --close waits, and goes with that alone")
		}
		if *patience < leastPatience {
			return fmt.Errorf("--patience is %v: nobody logs in and confirms in less than %v", *patience, leastPatience)
		}
		return nil
	}
	c.ValidArgsFunction = cobra.NoFileCompletions
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if os.Geteuid() != 0 {
			return errors.New("the doors are root's to look at, and to close; use sudo")
		}
		d := doors.New()
		d.Patience, d.Except = *patience, *except
		if *closes || *undo || *confirm {
			tellOfDoors(cmd, args)
		}
		out := cmd.OutOrStdout()
		switch {
		case *closes:
			return closeDoors(cmd.Context(), out, d, args)
		case *undo:
			return undoDoors(cmd.Context(), out, d)
		case *confirm:
			if err := d.Confirm(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintln(out, "what was closed stays closed; forkgate doors --undo opens it again")
			return nil
		case *rollback:
			done, err := d.Rollback(cmd.Context())
			if done {
				tellOfDoors(cmd, args) // afterwards: nothing keeps an admin's way in waiting
				fmt.Fprintln(out, "what was closed, and not confirmed, is taken back")
			}
			return err
		}
		return listDoors(cmd.Context(), out, cmd.ErrOrStderr(), d, *asJSON)
	}
	return c
}

// tellOfDoors has the record say what root does to the doors. Where the warden does not run that is no reason not to.
func tellOfDoors(cmd *cobra.Command, args []string) {
	said := "doors"
	for _, name := range []string{"close", "undo", "confirm", "rollback"} {
		if set, err := cmd.Flags().GetBool(name); err == nil && set {
			said += " --" + name
		}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 3*time.Second)
	defer cancel()
	_ = withWardenWithin(ctx, func(c *client.Client) error {
		return c.Reading(ctx, strings.Join(append([]string{said}, args...), " "))
	})
}

// leastPatience is how long a closing waits at least: with less it is taken back while it is still being made.
const leastPatience = 10 * time.Second

func listDoors(ctx context.Context, out, notes io.Writer, d *doors.Doors, asJSON bool) error {
	rows := doors.Examine(ctx, d.Host, d.Except...)
	if ctx.Err() != nil { // what does not answer any more seems open
		return doors.ErrInterrupted
	}
	for _, name := range d.Except {
		if !slices.ContainsFunc(rows, func(r doors.Row) bool { return r.Way == name }) {
			fmt.Fprintf(notes, "note: --except %q names no way that there is now\n", name)
		}
	}
	var err error
	if asJSON {
		err = printJSON(out, rows)
	} else {
		err = doors.Write(out, rows)
	}
	if err == nil && doors.Count(rows, doors.Open) > 0 {
		err = errors.New("there are ways onto this host past the gate; what to type is below each that is open")
	}
	return err
}
