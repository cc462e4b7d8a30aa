package pod

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/bare"
	"forkgate/nsjail/idmap"
)

// birth is an init while it is made: it waits, as a copy of the supervisor that only carries out a list of calls, until it is told
// to go on.
type birth struct {
	process *bare.Process
	tell    *os.File
	memory  *bare.Arena
	undo    []func() error
}

func (n *birth) close() {
	for i := len(n.undo) - 1; i >= 0; i-- {
		_ = n.undo[i]()
	}
}

// spawn makes pid 1 of new namespaces: root of the pod's ids, in its cgroup, with nothing but the files. It returns when that has a
// cgroup namespace of its own, and waits. The caller closes the birth, also after an error.
func (b *builder) spawn(k kind, cgroup *os.File, files []*os.File) (n *birth, err error) {
	n = &birth{}
	if n.memory, err = bare.NewArena(1 << 16); err != nil {
		return n, err
	}
	n.undo = append(n.undo, n.memory.Close)
	null, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		return n, err
	}
	n.undo = append(n.undo, null.Close)
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return n, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	n.tell = os.NewFile(uintptr(ends[0]), "the word to go on")
	word := os.NewFile(uintptr(ends[1]), "the word to go on")
	n.undo = append(n.undo, n.tell.Close, word.Close)
	start := start{kind: k}
	for _, f := range append([]*os.File{word, b.tool, null, b.output, b.output}, files...) {
		high, err := bare.High(f)
		if err != nil {
			return n, err
		}
		n.undo = append(n.undo, high.Close)
		start.files = append(start.files, high.Fd())
	}
	err = asOwner(int(b.spec.SubUID), func() error {
		n.process, err = bare.Start(bare.CloneArgs{Flags: uint64(k.flags) | unix.CLONE_INTO_CGROUP, Cgroup: uint64(cgroup.Fd())}, n.memory, start.write)
		return err
	})
	if err != nil {
		return n, fmt.Errorf("cannot start the %s init: %w", k.name, err)
	}
	n.undo = append(n.undo, n.process.Close)
	if err := idmap.Write(n.process.Pid, 0, b.spec.SubUID); err != nil {
		return n, err
	}
	return n, n.goOn()
}

// goOn tells the process to go on, and waits until it has got as far as it can.
func (n *birth) goOn() error {
	if err := n.word(); err != nil {
		return err
	}
	return n.process.Next()
}

// finish has the process become the program that it is for.
func (n *birth) finish() error {
	if err := n.word(); err != nil {
		return err
	}
	return n.process.Finish()
}

// word is what the process waits for. It has as long for its next step as an init has.
func (n *birth) word() error {
	_, err := n.tell.Write([]byte{0})
	return errors.Join(err, n.process.SetDeadline(time.Now().Add(handshake)))
}

// start is what an init does before it is a program.
type start struct {
	kind  kind
	files []uintptr // the word to go on, the program, and then what the program has, from 0 on
}

func (s start) write(p *bare.Program, report uintptr) {
	word, tool, files := s.files[0], s.files[1], s.files[2:]
	for to, f := range files {
		p.Do("take its files", unix.SYS_DUP3, f, uintptr(to), 0)
	}
	// Where the supervisor dies, the wait for its word has to end; and others that it makes meanwhile wait for the ends of theirs.
	p.CloseOthers("let go of all else of the supervisor's", uintptr(len(files)), word, tool, report)
	// Without its ids it is nobody.
	p.Read("get its ids", word)
	p.Do("leave all groups", unix.SYS_SETGROUPS, 0, 0)
	p.Do("become root's group of the pod", unix.SYS_SETRESGID, 0, 0, 0)
	p.Do("become the pod's root", unix.SYS_SETRESUID, 0, 0, 0)
	p.Do("lead a process session", unix.SYS_SETSID)
	// The supervisor has born it into its cgroup: the namespace made now has that as its root.
	p.Do("make a cgroup namespace", unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP)
	p.Report("say so", report)
	// The supervisor completes the tree now, and makes it the root of this process too.
	p.Read("get its root", word)
	// A mount namespace that belongs to a less privileged user namespace: every mount copied into it is locked to the others, its
	// flags and its place with it (mount_namespaces(7)).
	p.Do("make a mount namespace", unix.SYS_UNSHARE, unix.CLONE_NEWNS)
	p.Do("enter the root", unix.SYS_CHDIR, p.Text("/"))
	p.Do("close what is not the pod's", unix.SYS_CLOSE_RANGE, uintptr(len(files)), bare.MinusOne, unix.CLOSE_RANGE_CLOEXEC)
	// With this it has no memory in common with the supervisor any more.
	p.Do("execute the init", unix.SYS_EXECVEAT, tool, p.Text(""), p.Texts([]string{"init", s.kind.name}), p.Texts(nil), unix.AT_EMPTY_PATH)
}

// keepOverSetuid is SECBIT_NO_SETUID_FIXUP (linux/securebits.h).
const keepOverSetuid = 1 << 2

// asOwner has the calling thread be another user while it makes a user namespace. All that the kernel counts per user (inotify(7) instances
// and watches, fanotify groups, namespaces) it counts inside for the user there, and above for who made the namespace (kernel/ucount.c):
// made by the host's root, one pod could leave the other pods and the host's own services none.
//
// The thread keeps its capabilities, which writing the map of ids takes.
func asOwner(id int, do func() error) (err error) {
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, keepOverSetuid, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot keep the capabilities: %w", err)
	}
	become := func(id int) error {
		// Not unix.Setresuid, which is for all threads.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(id), ^uintptr(0)); errno != 0 {
			return fmt.Errorf("cannot become the user %d: %w", id, errno)
		}
		return nil
	}
	if err := become(id); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, become(0)) }()
	return do()
}
