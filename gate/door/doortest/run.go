package doortest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// SFTPServer is Debian's.
const SFTPServer = "/usr/lib/openssh/sftp-server"

// Shell is what runs commands: the user's own, as with sshd.
func Shell() string {
	me, err := user.Current()
	if err != nil {
		return "/bin/sh"
	}
	entry, err := exec.Command("getent", "passwd", me.Username).Output()
	if fields := strings.Split(strings.TrimSpace(string(entry)), ":"); err == nil && len(fields) == 7 && fields[6] != "" {
		return fields[6]
	}
	return "/bin/sh"
}

// run starts what a door asks for and returns the descriptors of an OpenReply.
func (w *Warden) run(q client.OpenRequest) ([]*os.File, error) {
	if q.Op == string(gate.OpForwardRemote) {
		return w.listen(q)
	}
	if q.Forward != (gate.Destination{}) {
		q.Command = []byte(w.Inside(q.Forward.Address()))
	}
	cmd := command(q)
	ours, theirs, err := wire.Pair()
	if err != nil {
		return nil, err
	}
	files := []*os.File{theirs}
	var master *os.File
	if q.Terminal != nil {
		if master, err = terminal(cmd, q.Terminal); err != nil {
			return nil, err
		}
		again, err := duplicate(master)
		if err != nil {
			return nil, err
		}
		files = append(files, again)
	} else {
		ends, err := pipes(cmd)
		if err != nil {
			return nil, err
		}
		files = append(files, ends...)
	}
	err = cmd.Start()
	for _, f := range []any{cmd.Stdin, cmd.Stdout, cmd.Stderr} {
		f.(*os.File).Close()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot run %q: %w", cmd.Args, err)
	}
	w.note(func(s *Seen) { s.Running++ })
	go w.watch(cmd, ours, master)
	if !w.Deaf && !w.Wordless {
		go obey(cmd, ours, master)
	}
	return files, nil
}

func command(q client.OpenRequest) *exec.Cmd {
	shell := Shell()
	cmd := exec.Command(shell, "-c", string(q.Command))
	cmd.Args[0] = filepath.Base(shell)
	switch q.Op {
	case "shell":
		cmd = exec.Command(shell)
		cmd.Args[0] = "-" + filepath.Base(shell)
	case "sftp":
		cmd = exec.Command(SFTPServer)
	}
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"), "HOME="+os.TempDir(), "SHELL="+shell)
	for _, pair := range q.Env {
		cmd.Env = append(cmd.Env, string(pair))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// pipes gives cmd its ends and returns the door's: stdin, stdout, stderr.
func pipes(cmd *exec.Cmd) ([]*os.File, error) {
	var read, write [3]*os.File
	for i := range read {
		var err error
		if read[i], write[i], err = os.Pipe(); err != nil {
			return nil, err
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read[0], write[1], write[2]
	return []*os.File{write[0], read[1], read[2]}, nil
}

func terminal(cmd *exec.Cmd, t *client.Terminal) (*os.File, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, err
	}
	if err := resize(master, wire.Resize{Columns: t.Columns, Rows: t.Rows, Width: t.Width, Height: t.Height}); err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, "TERM="+string(t.Term))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr.Setctty = true
	return master, nil
}

func resize(master *os.File, r wire.Resize) error {
	return pty.Setsize(master, &pty.Winsize{
		Cols: uint16(r.Columns), Rows: uint16(r.Rows), X: uint16(r.Width), Y: uint16(r.Height),
	})
}

func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// watch tells the door how the command ended.
func (w *Warden) watch(cmd *exec.Cmd, ours *wire.Conn, master *os.File) {
	_ = cmd.Wait()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	exit := wire.Exit{Code: status.ExitStatus()}
	if status.Signaled() {
		exit = wire.Exit{Signal: strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG"), Core: status.CoreDump()}
	}
	w.note(func(s *Seen) { s.Running-- })
	if !w.Wordless {
		_ = ours.Send(0, wire.TypeExit, exit)
	}
	if w.Deaf || w.Wordless {
		hangUp(ours, master)
	}
}

func hangUp(ours *wire.Conn, master *os.File) {
	ours.Close()
	if master != nil {
		master.Close()
	}
}

// obey does what the door says, and ends the command when the door is gone.
func obey(cmd *exec.Cmd, ours *wire.Conn, master *os.File) {
	defer hangUp(ours, master)
	for {
		m, files, err := ours.Receive()
		wire.CloseAll(files)
		if err != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			return
		}
		switch m.Type {
		case wire.TypeResize:
			var r wire.Resize
			if m.Decode(&r) == nil && master != nil {
				_ = resize(master, r)
			}
		case wire.TypeSignal:
			var s wire.Signal
			if m.Decode(&s) == nil {
				_ = syscall.Kill(-cmd.Process.Pid, unix.SignalNum("SIG"+s.Name))
			}
		}
	}
}

// Inside is the command that stands for what a forward leads to. Where there is nothing it says so, as a pod does.
func (w *Warden) Inside(address string) string {
	if w.There != nil {
		if command := w.There(address); command != "" {
			return "printf 'connected\\n' >&2; " + command
		}
	}
	return "printf 'connection refused' >&2; exit 1"
}
