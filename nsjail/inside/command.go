package inside

import (
	"fmt"
	"os"
	"path"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// command is the last stage of a session: it gives up everything that the caller's command should not have, sees for itself
// that it is gone, and becomes the command.
func command() error {
	runtime.LockOSThread() // credentials and filters are a thread's; exec makes this thread the process
	orders, err := ordersConn()
	if err != nil {
		return err
	}
	// Standard error is the caller's: what went wrong here is for the log.
	err = become(orders)
	return orders.Send(0, wire.TypeNo, wire.No{Error: err.Error()})
}

// become returns only where it failed.
func become(orders *wire.Conn) error {
	var e wire.Exec
	if err := receive(orders, wire.TypeExec, &e); err != nil {
		return err
	}
	if err := renounce(); err != nil {
		return err
	}
	if err := verify(); err != nil {
		return err
	}
	unix.Umask(0o022)
	home := path.Join("/home", e.Home)
	_ = os.Mkdir(path.Join(home, ".tmp"), 0o700) // where containers see it, unlike /tmp; the caller's to keep or break
	if err := unix.Chdir(string(e.Dir)); err != nil {
		if err := unix.Chdir(home); err != nil {
			return fmt.Errorf("cannot enter the home: %w", err)
		}
	}
	if err := orders.Send(0, wire.TypeReady, struct{}{}); err != nil {
		return err
	}
	if err := closeFrom(3); err != nil {
		return err
	}
	shell, argv := shellFor(e.Command)
	return fmt.Errorf("cannot start %s: %w", shell, unix.Exec(shell, argv, environment(e, home, shell)))
}

// renounce makes this thread the sessions' user, for good. Capabilities go while the thread can still drop them, the filter
// comes last because it would refuse some of the calls before it.
func renounce() error {
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot leave the session keyring: %w", err)
	}
	// Exactly 1, soft and hard: the one value with which the kernel starts no helper of a piped core_pattern (core(5)).
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}); err != nil {
		return fmt.Errorf("cannot limit core dumps: %w", err)
	}
	for c := 0; c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("cannot drop capability %d: %w", c, err)
		}
	}
	if err := becomeUser(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot set no_new_privs: %w", err)
	}
	if err := scopeIPC(); err != nil {
		return err
	}
	return loadFilter(sessionFilter())
}

// becomeUser sets the ids of this thread alone. The C library's way, all threads in step, takes signals to each and buys
// nothing: exec leaves this one.
func becomeUser() error {
	groups := [...]uint32{nsjail.GID, nsjail.DockerGID}
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups)), 0)
	if errno != 0 {
		return fmt.Errorf("cannot set the groups: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, nsjail.GID, nsjail.GID, nsjail.GID); errno != 0 {
		return fmt.Errorf("cannot set the group: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nsjail.UID, nsjail.UID, nsjail.UID); errno != 0 {
		return fmt.Errorf("cannot set the user: %w", errno)
	}
	return nil
}

// shellFor is what sshd does: the user's shell, as a login shell where no command is given.
func shellFor(command []byte) (shell string, argv []string) {
	shell = "/bin/bash"
	if unix.Access(shell, unix.X_OK) != nil {
		shell = "/bin/sh"
	}
	if len(command) == 0 {
		return shell, []string{"-" + path.Base(shell)}
	}
	return shell, []string{path.Base(shell), "-c", string(command)}
}

// environment is what the session starts with. What the stage itself says of the user cannot be replaced from outside.
func environment(e wire.Exec, home, shell string) []string {
	env := []string{
		"HOME=" + home, "USER=rediacc", "LOGNAME=rediacc", "SHELL=" + shell, "TMPDIR=" + home + "/.tmp",
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
	}
	if e.Terminal != nil {
		env = append(env, "TERM="+string(e.Terminal.Term), "SSH_TTY=/dev/pts/0")
	}
	set := map[string]bool{}
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		set[name] = true
	}
	for _, v := range e.Env {
		name, _, ok := strings.Cut(string(v), "=")
		if ok && name != "" && !set[name] && !strings.Contains(string(v), "\x00") {
			set[name] = true
			env = append(env, string(v))
		}
	}
	return env
}
