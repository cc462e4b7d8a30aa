package door_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"

	"forkgate/tests/need"
)

// inTerminal runs a client in a terminal of the given size, as a person does.
type inTerminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	shown  logBuffer
	ended  chan struct{}
}

func startInTerminal(t *testing.T, cmd *exec.Cmd, rows, columns uint16) *inTerminal {
	t.Helper()
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: columns})
	if err != nil {
		t.Fatal(err)
	}
	i := &inTerminal{t: t, cmd: cmd, master: master, ended: make(chan struct{})}
	go func() {
		defer close(i.ended)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			i.shown.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		master.Close()
	})
	return i
}

func (i *inTerminal) see(text string) {
	i.t.Helper()
	need.Eventually(i.t, "the terminal shows "+text, func() bool { return strings.Contains(i.shown.String(), text) })
}

func (i *inTerminal) code() int {
	i.t.Helper()
	<-i.ended
	_ = i.cmd.Wait()
	return i.cmd.ProcessState.ExitCode()
}

// A terminal: its name, its size and new size, a line typed, raw bytes back, and the exit code.
func TestTerminal(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t)
	useTerminal(t, p.dir, p.addr, "demo")
}

func TestInterrupt(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t)
	interrupt(t, p.dir, p.addr, "demo")
}

// The same with sshd, down to each byte that is shown. Without root, sshd cannot give anybody a terminal.
func TestTerminalLikeSSHD(t *testing.T) {
	need.Root(t)
	b := openBoth(t)
	door := useTerminal(t, b.p.dir, b.p.addr, "demo")
	sshd := useTerminal(t, b.p.dir, b.sshd, b.me)
	if door != sshd {
		t.Errorf("the door shows %q\nsshd shows %q", door, sshd)
	}
	interrupt(t, b.p.dir, b.sshd, b.me)
}

func useTerminal(t *testing.T, dir, addr, user string) (shown string) {
	t.Helper()
	cmd := openSSH(t, dir, addr, "ssh", "-tt", "-l", user, "host",
		`tty >/dev/null && echo a-tty $TERM; stty size; read x; stty size; echo "[$x]"; exit 7`)
	cmd.Env = append(os.Environ(), "TERM=vt220")
	i := startInTerminal(t, cmd, 31, 97)
	i.see("a-tty vt220")
	i.see("31 97")
	if err := pty.Setsize(i.master, &pty.Winsize{Rows: 40, Cols: 111}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // for the resize to travel: nothing tells when it has arrived
	i.master.WriteString("line\n")
	i.see("40 111")
	i.see("[line]")
	if code := i.code(); code != 7 {
		t.Errorf("exit code %d, not 7", code)
	}
	return i.shown.String()
}

// interrupt types Ctrl-C, which ends the command by SIGINT.
func interrupt(t *testing.T, dir, addr, user string) {
	t.Helper()
	i := startInTerminal(t, openSSH(t, dir, addr, "ssh", "-tt", "-l", user, "host", "echo ready; exec sleep 30"), 24, 80)
	i.see("ready")
	begin := time.Now()
	i.master.WriteString("\x03")
	if code := i.code(); code != 255 || time.Since(begin) > 5*time.Second {
		t.Errorf("exit code %d after %v", code, time.Since(begin))
	}
}

// An interactive login shell.
func TestInteractiveShell(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t)
	i := startInTerminal(t, p.ssh("ssh", "-tt", "-l", "demo", "host"), 24, 80)
	i.master.WriteString("echo $((6*7))-answer; exit 4\n")
	i.see("42-answer")
	if code := i.code(); code != 4 {
		t.Errorf("exit code %d, not 4", code)
	}
}

// The terminal modes of pty-req, and the size of a window that changed before the shell started.
func TestResizeBeforeShell(t *testing.T) {
	t.Parallel()
	p := open(t)
	channel, requests, err := p.dial("demo").OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	modes := []byte{3, 0, 0, 0, 8, 53, 0, 0, 0, 0, 0} // VERASE 8, ECHO 0
	mustRequest(t, channel, "pty-req", ptyReq{"xterm", 80, 24, 0, 0, modes})
	for n := range uint32(200) {
		if _, err := channel.SendRequest("window-change", false, ssh.Marshal(window{100 + n, 50, 0, 0})); err != nil {
			t.Fatal(err)
		}
	}
	mustRequest(t, channel, "exec", execReq{"stty size; stty -a | tr ';' '\\n' | grep -w erase"})
	got := readAll(t, channel)
	if !strings.Contains(got, "50 299") {
		t.Errorf("the terminal has another size than the last one asked for: %q", got)
	}
	opened := p.warden.Seen().Opened[0].Terminal
	if opened.Columns != 299 || opened.Modes[3] != 8 || len(opened.Modes) != 2 {
		t.Errorf("the warden was asked for %+v", opened)
	}
}

// A terminal's text from the door itself ends lines with a carriage return, or it would make stairs.
func TestRefusalInTerminal(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t, refuseAll)
	i := startInTerminal(t, p.ssh("ssh", "-tt", "-l", "demo", "host"), 24, 80)
	if code := i.code(); code != 254 {
		t.Errorf("exit code %d, not 254", code)
	}
	if !regexp.MustCompile(`(?m)^forkgate: not here\r+\n^hint: elsewhere\r+$`).MatchString(i.shown.String()) {
		t.Errorf("shown: %q", i.shown.String())
	}
}

// A client that is gone takes its session with it.
func TestHangUpEndsSession(t *testing.T) {
	need.Tools(t, "ssh")
	for _, args := range [][]string{{"-T"}, {"-tt"}} {
		p := open(t)
		cmd := p.ssh("ssh", append(args, "-l", "demo", "host", "trap '' HUP TERM PIPE; sleep 60 & sleep 60")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		need.Eventually(t, "the session runs", func() bool { return p.warden.Seen().Running == 1 })
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
		need.Eventually(t, "the session ends with its client", func() bool { return p.warden.Seen().Running == 0 })
		need.Eventually(t, "the warden's connection is closed", func() bool { return p.warden.Doors() == 0 })
	}
}
