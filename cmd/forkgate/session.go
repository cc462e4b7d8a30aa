package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

func sessionCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "session", Args: words(0, 0), Short: "a session that the host's own sshd starts, by ForceCommand",
		Long: "A session that the host's own sshd starts, by ForceCommand, for an account that is in the accounts of a principal. It leads to\n" +
			"forks, and to no grand repository. sshd_config.d/forkgate.conf in /usr/share/doc/forkgate says what sshd needs for that.\n\n" +
			"Without --repo the first word that the client sends is a fork, or a control word:\n" +
			"  ssh ACCOUNT@host REPO+NAME [COMMAND]\n  ssh ACCOUNT@host help\n" +
			"scp, sftp, rsync and git send no such word: for these give the account --repo REPO+NAME.",
	}
	ref := c.Flags().String("repo", "", "the fork that the account leads to: all that the client sends is the command")
	place := c.Flags().String("warden", client.Socket, "the warden's socket")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if *ref != "" {
			if _, err := gate.ParseRef(*ref); err != nil {
				return err
			}
		}
		signal.Ignore(syscall.SIGPIPE) // a client that reads no more ends no command that does not write
		warden, err := client.Dial(*place)
		if err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "forkgate: %v\nhint: the operator sees why in systemctl status forkgate-warden\n", err)
			return ended{Code: gate.ExitFailed}
		}
		forced := &door.Forced{Warden: warden, Ref: *ref, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
		exit := forced.Run(cmd.Context(), os.Environ())
		warden.Close()
		die(exit.Signal)
		if exit.Signal != "" || exit.Code < 0 || exit.Code > 255 { // a pod is not trusted to send a code
			exit.Code = gate.ExitFailed
		}
		if exit.Code == 0 {
			return nil
		}
		return ended(exit)
	}
	return c
}

// ended is how a session has ended, of which its caller has been told.
type ended wire.Exit

func (e ended) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// die dies of a signal, by its name in RFC 4254, as the command in the session did: sshd then says so to the client. It returns where
// that is no signal to die of.
func die(name string) {
	n := unix.SignalNum("SIG" + name)
	switch n {
	case 0, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT, unix.SIGCHLD, unix.SIGURG, unix.SIGWINCH: // signal(7)
		return
	}
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // the command's core is elsewhere, and there is nothing to see in this one
	// SIG_DFL is a struct sigaction of zeros (linux/signal_types.h); Go has no way to take its own handlers away.
	var byDefault [4]uint64
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0)
	// To this thread: of a signal to the process another one could die after this one has gone on.
	runtime.LockOSThread()
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), n)
}

// asShell makes the command line of an account's login shell what it has to be: sshd hands its ForceCommand to the shell. As a shell this
// program does nothing else, whoever starts it.
func asShell(argv []string) ([]string, error) {
	shell := strings.HasPrefix(argv[0], "-")
	if !shell && (len(argv) < 2 || argv[1] != "-c") {
		return argv[1:], nil
	}
	var words []string
	if len(argv) == 3 && argv[1] == "-c" {
		words = strings.Fields(argv[2])
	}
	if len(words) < 2 || filepath.Base(words[0]) != "forkgate" || words[1] != "session" {
		return nil, errors.New("this account has no shell but forkgate session, which sshd starts; see sshd_config.d/forkgate.conf")
	}
	return words[1:], nil
}
