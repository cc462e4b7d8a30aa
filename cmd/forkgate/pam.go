package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"forkgate/cmd/forkgate/doors"
	"forkgate/gate"
	"forkgate/gate/warden/client"
)

const pamHelp = `Say whether somebody who logs in may have a shell on the host itself. pam_exec(8) runs it, from the account stacks of
sshd and login and from no others: in those of su or cron it would lock admins out.

Members of the group forkgate-admin may, and root on the console; accounts of the group forkgate-accounts whose login shell is
forkgate may come by sshd, for forkgate session. Who else comes is told where to go instead. What is decided is in the record
first. Where it cannot be, as the warden is down, admins and root on the console get in all the same, and nobody else does.

forkgate doors --close writes the lines that it needs into /etc/pam.d, and among them some by which PAM itself lets admins in
should this program fail, or be gone.`

// pamPatience is how long somebody waits at his login for a warden that does not answer.
const pamPatience = 3 * time.Second

func pamCommand() *cobra.Command {
	return &cobra.Command{
		Use: "pam", Args: words(0, 0), Short: "whether a login may have a shell on the host, asked by PAM", Long: pamHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			environ, wrong := os.ReadFile("/proc/self/environ")
			who, twice := asked(string(environ))
			// PAM's environment is what the modules before have put there, of the user's too.
			os.Clearenv()
			if err := os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), pamPatience)
			defer cancel()
			known, err := doors.Identify(ctx, doors.Here(), who.User)
			verdict := doors.Admit(who, known)
			switch {
			case wrong != nil || twice != nil:
				verdict = doors.Verdict{Why: errors.Join(wrong, twice).Error()}
			case err != nil:
				verdict = doors.Verdict{Why: fmt.Sprintf("%.80s is not known: %v", who.User, err)}
			}
			return admit(ctx, cmd.OutOrStdout(), who, verdict, toldOf)
		},
	}
}

// asked is what PAM asks about, from the environment as the kernel has it: pam_exec adds its own words to those that modules before have put there, from a user's
// ~/.pam_environment too, and where one is there twice nobody knows whose it is.
func asked(environ string) (who doors.Login, err error) {
	words := map[string]string{}
	for entry := range strings.SplitSeq(environ, "\x00") {
		key, value, _ := strings.Cut(entry, "=")
		if _, twice := words[key]; twice && strings.HasPrefix(key, "PAM_") {
			err = fmt.Errorf("%.40s is twice in the environment", key)
		}
		words[key] = value
	}
	return doors.Login{Type: words["PAM_TYPE"], Service: words["PAM_SERVICE"], User: words["PAM_USER"], Terminal: words["PAM_TTY"], From: words["PAM_RHOST"]}, err
}

// admit has the record say what is about to become of a login, and then has it become that.
func admit(ctx context.Context, out io.Writer, who doors.Login, v doors.Verdict, record func(context.Context, client.LoginRequest) error) error {
	told := record(ctx, client.LoginRequest{Account: who.User, Service: who.Service, Terminal: who.Terminal, From: who.From, Let: v.Let, Why: v.Why})
	switch {
	case !v.Let:
		fmt.Fprintf(out, "forkgate: %s; nobody else has a shell on this host\nhint: repositories and forks are behind the gate: %sREPO+NAME@host\n", gate.Printable(v.Why), sshTo(gatePort()))
		return ended{Code: gate.ExitRefused}
	case told != nil && !v.Glass:
		fmt.Fprintf(out, "forkgate: this login cannot be put on record\nhint: the operator sees why in systemctl status forkgate-warden\n")
		return ended{Code: gate.ExitFailed}
	case told != nil:
		fmt.Fprintf(out, "forkgate: this login is in no record but syslog's: %s\n", gate.Printable(told.Error()))
		logGlass(who, v)
	}
	return nil
}

// toldOf has the warden record a login.
func toldOf(ctx context.Context, q client.LoginRequest) error {
	return withWardenWithin(ctx, func(c *client.Client) error { return c.Login(ctx, q) })
}

// withWardenWithin is withWarden for who has no time: a warden that hangs keeps nobody waiting for longer than ctx. Connecting to its socket may, too.
func withWardenWithin(ctx context.Context, do func(*client.Client) error) error {
	done := make(chan error, 1)
	go func() { // ends with this process at the latest, which lives for one command
		done <- withWarden(do)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the warden does not answer: %w", context.Cause(ctx))
	}
}

// logGlass leaves a trace of a login that is not on record.
func logGlass(who doors.Login, v doors.Verdict) {
	w, err := syslog.New(syslog.LOG_AUTHPRIV|syslog.LOG_WARNING, "forkgate-pam")
	if err != nil {
		return // he is let in when nothing works
	}
	defer w.Close()
	_ = w.Warning(fmt.Sprintf("let in and not on record: %q by %q on %q from %q: %s", who.User, who.Service, who.Terminal, who.From, v.Why))
}
