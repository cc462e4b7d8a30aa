package inside

import (
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/bare"
	"forkgate/nsjail/wire"
)

// written is a script with what its calls are for.
type written struct {
	*script
	what [lists][]string
}

// writer writes the script of one session, and lists the files that it counts on.
type writer struct {
	memory  *bare.Arena
	program *os.File // what a session that is a forward executes
	files   []*os.File
}

// number is what a file is known by where the script is carried out.
func (w *writer) number(f *os.File) uintptr {
	w.files = append(w.files, f)
	return uintptr(zygoteFiles + len(w.files) - 1)
}

func (w *writer) write(c *confinement, e wire.Exec, v *view, stdio []*os.File, report, status, group *os.File) (*written, error) {
	const kept = 3
	view, take, last, after := w.view(v, e.Home), w.take(stdio, e.Terminal != nil), w.last(e), w.after(status, kept)
	stored := bare.Store(w.memory, []script{{
		report: w.number(report), status: kept,
		clone: bare.CloneArgs{
			// The parent is session init, not the zygote: it is who waits.
			Flags:  unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_INTO_CGROUP | unix.CLONE_PARENT,
			Cgroup: uint64(w.number(group)),
		},
		before: [2][]bare.Call{view.Ready(), c.outer.Calls},
		inner:  [3][]bare.Call{take.Ready(), c.inner.Calls, last.Ready()},
		after:  [1][]bare.Call{after.Ready()},
	}})
	if err := w.memory.Err(); err != nil {
		return nil, fmt.Errorf("command and environment are too large: %w", err)
	}
	return &written{&stored[0], [lists][]string{view.What, c.outer.What, take.What, c.inner.What, last.What, after.What}}, nil
}

// view shows the session what is its own, and covers what is others'.
func (w *writer) view(v *view, home string) *bare.Program {
	p := &bare.Program{Memory: w.memory}
	p.Attach("cover everybody's homes", w.number(v.homes), "/home")
	p.Attach("show the caller's home", w.number(v.home), path.Join("/home", home))
	p.Attach("show the caller's /tmp", w.number(v.tmp), "/tmp")
	p.Attach("show the caller's /var/tmp", w.number(v.varTmp), "/var/tmp")
	p.Attach("make /dev/pts", w.number(v.pts), "/dev/pts")
	p.Attach("make /dev/shm", w.number(v.shm), "/dev/shm")
	if v.agent != nil {
		p.Attach("show the caller's ssh-agent", w.number(v.agent), agentDir)
	}
	return p
}

// take gives the command its standard files and, where there is one, its terminal.
func (w *writer) take(stdio []*os.File, terminal bool) *bare.Program {
	p := &bare.Program{Memory: w.memory}
	for fd, f := range stdio {
		p.Do("take its standard files", unix.SYS_DUP3, w.number(f), uintptr(fd), 0)
	}
	p.Do("lead a process session", unix.SYS_SETSID)
	if terminal {
		p.Do("take its terminal", unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0)
	}
	return p
}

// last goes to where the command starts, and becomes the command.
func (w *writer) last(e wire.Exec) *bare.Program {
	p := &bare.Program{Memory: w.memory}
	home := path.Join("/home", e.Home)
	// Where containers see it, unlike /tmp; the caller's to keep or break.
	p.Expect(bare.WantAnything, "make TMPDIR", unix.SYS_MKDIRAT, bare.AtFDCWD, p.Text(home+"/.tmp"), 0o700)
	p.Do("enter the home", unix.SYS_CHDIR, p.Text(home))
	p.Expect(bare.WantAnything, "enter the data", unix.SYS_CHDIR, p.Text(string(e.Dir)))
	p.Do("close what is not the command's", unix.SYS_CLOSE_RANGE, 3, bare.MinusOne, unix.CLOSE_RANGE_CLOEXEC)
	if e.Forward != nil {
		stage := stageDial
		if e.Forward.Listen {
			stage = stageListen
		}
		argv := []string{"forkgate-init", stage, e.Forward.Network, e.Forward.Address}
		p.Do("execute what forwards", unix.SYS_EXECVEAT, w.number(w.program), p.Text(""), p.Texts(argv), p.Texts(nil), unix.AT_EMPTY_PATH)
		return p
	}
	shell, argv := shellFor(e.Command)
	p.Do("execute the shell", unix.SYS_EXECVE, p.Text(shell), p.Texts(argv), p.Texts(environment(e, home, shell)))
	return p
}

// after leaves pid 1 with nothing but the status pipe.
func (w *writer) after(status *os.File, kept uintptr) *bare.Program {
	p := &bare.Program{Memory: w.memory}
	p.Do("keep the status pipe", unix.SYS_DUP3, w.number(status), kept, 0)
	p.Do("close standard files", unix.SYS_CLOSE_RANGE, 0, kept-1, 0)
	p.Do("close everything else", unix.SYS_CLOSE_RANGE, kept+1, bare.MinusOne, 0)
	return p
}
