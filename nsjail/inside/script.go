package inside

import (
	"os"
	"path"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// written is a script with what its calls are for.
type written struct {
	*script
	what [lists][]string
}

// writer writes the script of one session, and lists the files that it counts on.
type writer struct {
	memory *arena
	files  []*os.File
}

// number is what a file is known by where the script is carried out.
func (w *writer) number(f *os.File) uintptr {
	w.files = append(w.files, f)
	return uintptr(zygoteFiles + len(w.files) - 1)
}

func (w *writer) write(c *confinement, e wire.Exec, v *view, stdio []*os.File, report, status, group *os.File) (*written, error) {
	const kept = 3
	view, take, last, after := w.view(v, e.Home), w.take(stdio, e.Terminal != nil), w.last(e), w.after(status, kept)
	stored := store(w.memory, []script{{
		report: w.number(report), status: kept,
		clone: cloneArgs{
			// The parent is session init, not the zygote: it is who waits.
			flags:  unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_INTO_CGROUP | unix.CLONE_PARENT,
			cgroup: uint64(w.number(group)),
		},
		before: [2][]call{view.ready(), c.outer.calls},
		inner:  [3][]call{take.ready(), c.inner.calls, last.ready()},
		after:  [1][]call{after.ready()},
	}})
	if w.memory.full {
		return nil, errFull
	}
	return &written{&stored[0], [lists][]string{view.what, c.outer.what, take.what, c.inner.what, last.what, after.what}}, nil
}

// view shows the session what is its own, and covers what is others'.
func (w *writer) view(v *view, home string) *program {
	p := &program{memory: w.memory}
	p.attach("cover everybody's homes", w.number(v.homes), "/home")
	p.attach("show the caller's home", w.number(v.home), path.Join("/home", home))
	p.attach("show the caller's /tmp", w.number(v.tmp), "/tmp")
	p.attach("show the caller's /var/tmp", w.number(v.varTmp), "/var/tmp")
	p.attach("make /dev/pts", w.number(v.pts), "/dev/pts")
	p.attach("make /dev/shm", w.number(v.shm), "/dev/shm")
	return p
}

// take gives the command its standard files and, where there is one, its terminal.
func (w *writer) take(stdio []*os.File, terminal bool) *program {
	p := &program{memory: w.memory}
	for fd, f := range stdio {
		p.do("take its standard files", unix.SYS_DUP3, w.number(f), uintptr(fd), 0)
	}
	p.do("lead a process session", unix.SYS_SETSID)
	if terminal {
		p.do("take its terminal", unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0)
	}
	return p
}

// last goes to where the command starts, and becomes the command.
func (w *writer) last(e wire.Exec) *program {
	p := &program{memory: w.memory}
	home := path.Join("/home", e.Home)
	// Where containers see it, unlike /tmp; the caller's to keep or break.
	p.expect(wantAnything, "make TMPDIR", unix.SYS_MKDIRAT, atFDCWD, p.text(home+"/.tmp"), 0o700)
	p.do("enter the home", unix.SYS_CHDIR, p.text(home))
	p.expect(wantAnything, "enter the data", unix.SYS_CHDIR, p.text(string(e.Dir)))
	p.do("close what is not the command's", unix.SYS_CLOSE_RANGE, 3, minusOne, unix.CLOSE_RANGE_CLOEXEC)
	shell, argv := shellFor(e.Command)
	p.do("execute the shell", unix.SYS_EXECVE, p.text(shell), p.texts(argv), p.texts(environment(e, home, shell)))
	return p
}

// after leaves pid 1 with nothing but the status pipe.
func (w *writer) after(status *os.File, kept uintptr) *program {
	p := &program{memory: w.memory}
	p.do("keep the status pipe", unix.SYS_DUP3, w.number(status), kept, 0)
	p.do("close standard files", unix.SYS_CLOSE_RANGE, 0, kept-1, 0)
	p.do("close everything else", unix.SYS_CLOSE_RANGE, kept+1, minusOne, 0)
	return p
}
