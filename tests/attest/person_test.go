package attest

import (
	"fmt"
	"forkgate/tests/need"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// person is somebody who has logged in on a terminal of the workstation, by login, and types.
type person struct {
	t    *testing.T
	w    *workstation
	tty  *os.File
	seen *lockedBuffer
	n    int
}

// login logs alice in, as a getty does. wrap is put before the command line of login.
func (w *workstation) login(t *testing.T, wrap ...string) *person {
	t.Helper()
	argv := w.enter(append(wrap, "login", "-f", "alice")...)
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = []string{"TERM=xterm", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
	tty, err := pty.Start(c)
	must(t, err)
	p := &person{t: t, w: w, tty: tty, seen: new(lockedBuffer)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 4096)
		for {
			n, err := tty.Read(buffer)
			p.seen.Write(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		c.Process.Kill() // the terminal hangs up with its last process
		c.Wait()
		tty.WriteString("\x03\x04")
		for _, pid := range w.processes() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		<-done
		tty.Close()
	})
	p.types("cd " + w.dir + "; stty -echo; PS1=; unset HISTFILE; ulimit -c 0; echo in; ssh='ssh -n -F ssh_config demo@gate whoami'")
	return p
}

// types types a command, waits until the shell has done it, and returns what it said.
func (p *person) types(command string) string {
	p.t.Helper()
	p.n++
	before := len(p.seen.String())
	mark := fmt.Sprintf("done-%d-", p.n)
	// On one line, so that no program takes what is typed for its own.
	if _, err := fmt.Fprintf(p.tty, "{ %s\n}; echo done-$((%d))-\n", command, p.n); err != nil {
		p.t.Fatal(err)
	}
	need.Eventually(p.t, fmt.Sprintf("the end of %q; so far %q", command, p.seen.String()[before:]), func() bool { return strings.Contains(p.seen.String()[before:], mark) })
	said, _, _ := strings.Cut(p.seen.String()[before:], mark)
	return said
}

// asks types a command that ends in an ssh to the gate, and returns what the gate said of it.
func (p *person) asks(command string) answer {
	p.t.Helper()
	said := p.types(command)
	a, ok := parseAnswer(said)
	if !ok {
		p.t.Fatalf("%q: the gate says nothing, and the terminal %q; %v", command, said, p.w.gate.complaints())
	}
	return a
}

// later returns what the gate said to a command that wrote it into a file, whenever it did that.
func (p *person) later(file string) (a answer) {
	p.t.Helper()
	path := filepath.Join(p.w.home, file)
	need.Eventually(p.t, "an answer in "+path, func() bool {
		text, _ := os.ReadFile(path)
		var ok bool
		a, ok = parseAnswer(string(text))
		return ok
	})
	must(p.t, os.Remove(path))
	return a
}

func (g *gate) complaints() []error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// processes are all of alice's.
func (w *workstation) processes() (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		pid, malformed := strconv.Atoi(filepath.Base(dir))
		if err == nil && malformed == nil && info.Sys().(*syscall.Stat_t).Uid == uid {
			pids = append(pids, pid)
		}
	}
	return pids
}
