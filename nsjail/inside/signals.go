package inside

import (
	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// signals are those that RFC 4254, section 6.10, has names for.
var signals = map[string]unix.Signal{
	"ABRT": unix.SIGABRT, "ALRM": unix.SIGALRM, "FPE": unix.SIGFPE, "HUP": unix.SIGHUP, "ILL": unix.SIGILL,
	"INT": unix.SIGINT, "KILL": unix.SIGKILL, "PIPE": unix.SIGPIPE, "QUIT": unix.SIGQUIT, "SEGV": unix.SIGSEGV,
	"TERM": unix.SIGTERM, "USR1": unix.SIGUSR1, "USR2": unix.SIGUSR2,
}

func signalNumber(name string) (unix.Signal, bool) {
	s, ok := signals[name]
	return s, ok
}

// exitOf puts a wait status into SSH's words. A signal without a name in the RFC is called as sshd calls it.
func exitOf(status unix.WaitStatus) wire.Exit {
	if !status.Signaled() {
		return wire.Exit{Code: status.ExitStatus()}
	}
	name := "SIG@openssh.com"
	for known, number := range signals {
		if number == status.Signal() {
			name = known
		}
	}
	return wire.Exit{Signal: name, Core: status.CoreDump()}
}
