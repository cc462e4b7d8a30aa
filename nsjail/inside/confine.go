package inside

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/bare"
	"forkgate/nsjail/wire"
)

// confinement is what is the same for every session of a pod, made once: before the zygote, which has it from then on.
type confinement struct {
	outer steps // what a session's pid 1 does last before it starts the command
	inner steps // what the command's process does once it has its files
}

// steps are a program that lies where the zygote sees it.
type steps struct {
	Calls []bare.Call
	What  []string
}

// mask covers a file or directory that a session has no business with, of what the kernel shows to every user; or only keeps
// it from being written to, whatever its mode says.
type mask struct {
	path   string
	frozen bool
	dir    bool
}

func newConfinement(scoped bool) (*confinement, error) {
	memory, err := bare.NewArena(1 << 18)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare the sessions' confinement: %w", err)
	}
	masks, err := existing([]mask{
		{path: "/proc/acpi"}, {path: "/proc/asound"}, {path: "/proc/kcore"}, {path: "/proc/keys"}, {path: "/proc/latency_stats"},
		{path: "/proc/sched_debug"}, {path: "/proc/scsi"}, {path: "/proc/timer_list"}, {path: "/proc/timer_stats"},
		{path: "/proc/bus", frozen: true}, {path: "/proc/fs", frozen: true}, {path: "/proc/irq", frozen: true},
		{path: "/proc/sys", frozen: true}, {path: "/proc/sysrq-trigger", frozen: true},
	})
	if err != nil {
		return nil, err
	}
	outer, inner := &bare.Program{Memory: memory}, &bare.Program{Memory: memory}
	ownProc(outer, masks)
	if err := renounce(outer, scoped); err != nil {
		return nil, err
	}
	becomeUser(inner)
	verify(inner)
	inner.Do("set the umask", unix.SYS_UMASK, 0o022)
	return &confinement{steps{outer.Ready(), outer.What}, steps{inner.Ready(), inner.What}}, memory.Err()
}

func existing(all []mask) (here []mask, err error) {
	for _, m := range all {
		switch st, err := os.Lstat(m.path); {
		case err == nil:
			m.dir = st.IsDir()
			here = append(here, m)
		case !errors.Is(err, os.ErrNotExist):
			return nil, fmt.Errorf("cannot look at %s: %w", m.path, err)
		}
	}
	return here, nil
}

// emptyDir covers directories. It belongs to root, and nobody may write to it.
const emptyDir = "/run/empty"

const (
	quiet    = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	readOnly = quiet | unix.MS_RDONLY
)

// ownProc mounts message queues and a proc of the session's own: it was born into new ipc and pid namespaces.
func ownProc(p *bare.Program, masks []mask) {
	p.Mount("make /dev/mqueue", "mqueue", "/dev/mqueue", "mqueue", quiet, "")
	// subset=pid would hide more of it, and break ps and free.
	p.Mount("make /proc", "proc", "/proc", "proc", quiet, "hidepid=invisible")
	// Masks come last: with a masked proc in sight the kernel lets nobody mount a fresh one.
	for _, m := range masks {
		switch {
		case m.frozen:
			p.Mount("bind "+m.path, m.path, m.path, "", unix.MS_BIND, "")
			p.Mount("freeze "+m.path, "", m.path, "", unix.MS_REMOUNT|unix.MS_BIND|readOnly, "")
		case m.dir:
			p.Mount("cover "+m.path, emptyDir, m.path, "", unix.MS_BIND, "")
		default:
			p.Mount("cover "+m.path, "/dev/null", m.path, "", unix.MS_BIND, "")
		}
	}
}

// renounce gives up what neither the session's pid 1 nor the command needs. The filter comes last: it would refuse some of the
// calls before it.
func renounce(p *bare.Program, scoped bool) error {
	p.Do("leave the session keyring", unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0)
	last, err := lastCapability()
	if err != nil {
		return err
	}
	for capability := range last + 1 {
		p.Do("drop a capability", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
	}
	p.Do("set no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if scoped {
		p.Do("set Landlock's scope", unix.SYS_LANDLOCK_RESTRICT_SELF, zygoteScope, 0)
	}
	code, err := sessionFilter().compile()
	if err != nil {
		return err
	}
	code = bare.Store(p.Memory, code)
	filter := bare.Store(p.Memory, []unix.SockFprog{{Len: uint16(len(code)), Filter: &code[0]}})
	p.Do("load the seccomp filter", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, bare.Location(filter))
	return nil
}

// lastCapability is the highest number that the kernel knows.
func lastCapability() (uintptr, error) {
	text, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return 0, fmt.Errorf("cannot see which capabilities there are: %w", err)
	}
	last, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 8)
	if err != nil {
		return 0, fmt.Errorf("cannot see which capabilities there are: %w", err)
	}
	return uintptr(last), nil
}

// becomeUser makes the process the sessions' user, for good: with the last id goes the last capability.
func becomeUser(p *bare.Program) {
	groups := bare.Store(p.Memory, []uint32{nsjail.GID, nsjail.DockerGID})
	p.Do("set the groups", unix.SYS_SETGROUPS, uintptr(len(groups)), bare.Location(groups))
	p.Do("set the group", unix.SYS_SETRESGID, nsjail.GID, nsjail.GID, nsjail.GID)
	p.Do("set the user", unix.SYS_SETRESUID, nsjail.UID, nsjail.UID, nsjail.UID)
}

// verify tries what a session must not be able to do. A session that could still do it does not start: a kernel option that
// is off, or a step that was lost, is found by the first login and not by an attacker.
func verify(p *bare.Program) {
	unchanged := bare.MinusOne
	p.MustFail(unix.EPERM, "make a user namespace", unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	p.MustFail(unix.EPERM, "make a mount namespace", unix.SYS_UNSHARE, unix.CLONE_NEWNS)
	p.MustFail(unix.EPERM, "mount a filesystem", unix.SYS_MOUNT, p.Text("x"), p.Text("/tmp"), p.Text("tmpfs"), 0, 0)
	p.MustFail(unix.EPERM, "open a file by its handle", unix.SYS_OPEN_BY_HANDLE_AT, bare.AtFDCWD, 0, 0)
	p.MustFail(unix.EPERM, "open a vsock", unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM, 0)
	p.MustFail(unix.EPERM, "open a kernel crypto socket", unix.SYS_SOCKET, unix.AF_ALG, unix.SOCK_SEQPACKET, 0)
	p.MustFail(unix.EPERM, "become root again", unix.SYS_SETRESUID, unchanged, 0, unchanged)
	p.MustFail(unix.EPERM, "become root's group again", unix.SYS_SETRESGID, unchanged, 0, unchanged)
	p.MustFail(bare.WantFailure, "raise its priority", unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, bare.MinusOne)
	p.MustFail(bare.WantFailure, "write to the root directory", unix.SYS_MKDIRAT, bare.AtFDCWD, p.Text("/verify"), 0o700)
	p.MustFail(bare.WantFailure, "see its own pid 1", unix.SYS_FACCESSAT, bare.AtFDCWD, p.Text("/proc/1/status"), unix.F_OK)
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

// environment is what the session starts with. What the pod itself says of the user cannot be replaced from outside.
func environment(e wire.Exec, home, shell string) []string {
	env := []string{
		"HOME=" + home, "USER=rediacc", "LOGNAME=rediacc", "SHELL=" + shell, "TMPDIR=" + home + "/.tmp",
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
	}
	if e.Terminal != nil {
		env = append(env, "TERM="+string(e.Terminal.Term), "SSH_TTY=/dev/pts/0")
	}
	if e.Agent {
		env = append(env, "SSH_AUTH_SOCK="+path.Join(agentDir, agentSocket))
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
