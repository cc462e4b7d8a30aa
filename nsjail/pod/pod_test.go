package pod

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"forkgate/nsjail"
	"forkgate/nsjail/idmap"
	"forkgate/nsjail/wire"
	"forkgate/tests/need"
)

func TestSession(t *testing.T) {
	for name, start := range builds {
		t.Run(name, func(t *testing.T) { testSession(t, start) })
	}
}

func testSession(t *testing.T, start func(*testing.T) *testPod) {
	p := start(t)
	t.Run("is the unprivileged user", func(t *testing.T) {
		p.prints(t, "id", "uid=7111(rediacc) gid=7111(rediacc) groups=988(docker),7111(rediacc)\n")
		p.prints(t, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr -d '\\t'", ""+
			"CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapBnd:0000000000000000\n"+
			"CapAmb:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n")
	})
	t.Run("starts in the data, which is its own", func(t *testing.T) {
		p.prints(t, "pwd; echo x >file && cat file", "/srv/"+p.guid+"\nx\n")
		st, err := os.Stat(filepath.Join(p.spec.Data, "file"))
		if err != nil {
			t.Fatal(err)
		}
		if uid := ownerOf(t, st); uid != idmap.Foreign+nsjail.UID {
			t.Errorf("on disk the file belongs to %d, not to the foreign range's %d", uid, idmap.Foreign+nsjail.UID)
		}
	})
	t.Run("has a mount namespace of its own", func(t *testing.T) {
		other, err := nsjail.Run(t.Context(), p.run, p.guid, nsjail.Exec{
			Session: "other", Home: "alice.agent", Command: []byte("readlink /proc/self/ns/mnt; sleep 60"),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close() // only now: the numbers of ended namespaces are used again
		theirs := reads(t, other.Files[2], "]\n")
		if ours, _ := p.sh(t, "readlink /proc/self/ns/mnt"); ours == theirs || !strings.HasPrefix(ours, "mnt:[") {
			t.Errorf("two sessions have the mount namespaces %q and %q", ours, theirs)
		}
	})
	t.Run("sees no process but its own", func(t *testing.T) {
		p.prints(t, "set -- /proc/[0-9]*; echo $#", "1\n") // the shell: pid 1 is invisible
	})
	t.Run("has the pod's name and a resolver that refuses at once", func(t *testing.T) {
		p.prints(t, "hostname; cat /etc/hostname; grep -c demo-x /etc/hosts; cat /etc/resolv.conf | head -1",
			"demo-x\ndemo-x\n1\nnameserver 127.0.0.1\n")
	})
	t.Run("can open its own standard output", func(t *testing.T) {
		p.prints(t, "echo x >/dev/stdout; echo y >/dev/stderr", "x\ny\n")
	})
	t.Run("finds its temporary files where containers do", func(t *testing.T) {
		p.prints(t, `echo "$TMPDIR"; test -w "$TMPDIR" && echo writable`, "/home/alice.agent/.tmp\nwritable\n")
	})
}

func TestSessionEnds(t *testing.T) {
	p := startPod(t)
	for command, want := range map[string]wire.Exit{
		"exit 0": {}, "exit 7": {Code: 7}, "exit 255": {Code: 255}, "no-such-program": {Code: 127},
		"kill -TERM $$": {Signal: "TERM"}, "kill -KILL $$": {Signal: "KILL"}, "kill -USR2 $$": {Signal: "USR2"},
	} {
		if _, exit := p.sh(t, command); exit != want {
			t.Errorf("%s: ended with %+v, not %+v", command, exit, want)
		}
	}
}

func TestNothingOutlivesTheDoor(t *testing.T) {
	p := startPod(t)
	mark := filepath.Join(p.spec.Data, "beat")
	s, err := nsjail.Run(t.Context(), p.run, p.guid, nsjail.Exec{Session: "s1", Home: "alice.agent", Command: []byte(
		`setsid sh -c '(trap "" HUP TERM; while :; do date +%N >beat; sleep 0.01; done) & ' & sleep 100`)})
	if err != nil {
		t.Fatal(err)
	}
	need.Eventually(t, "the daemon beats", func() bool { _, err := os.Stat(mark); return err == nil })
	s.Close()
	need.Eventually(t, "the daemon is gone", func() bool {
		before, _ := os.ReadFile(mark)
		time.Sleep(60 * time.Millisecond)
		after, _ := os.ReadFile(mark)
		return string(before) == string(after)
	})
	events, err := os.ReadFile(filepath.Join(p.cgroup, "sessions/session-0/cgroup.events"))
	if err != nil || !strings.Contains(string(events), "populated 0") {
		t.Errorf("its cgroup is not empty: %q, %v", events, err)
	}
}

func TestHomesAreApart(t *testing.T) {
	p := startPod(t)
	as := func(home, command string) string {
		out, _ := p.exec(t, nsjail.Exec{Session: fmt.Sprint(time.Now().UnixNano()), Home: home, Command: []byte(command)})
		return out
	}
	as("alice.agent", "echo planted >~/.profile; echo planted >/tmp/planted; echo planted >/var/tmp/other")
	if got := as("alice.agent", "cat ~/.profile /tmp/planted /tmp/other"); got != "planted\nplanted\nplanted\n" {
		t.Errorf("alice's agent finds %q of what it left", got)
	}
	for _, other := range []string{"alice.human", "bob.agent"} {
		got := as(other, "ls -A ~ /tmp /var/tmp /home; cat /home/alice.agent/.profile 2>&1")
		if strings.Contains(got, "planted\n") || !strings.Contains(got, "No such file") {
			t.Errorf("%s sees of alice's agent: %q", other, got)
		}
	}
}

func TestTerminal(t *testing.T) {
	p := startPod(t)
	terminal := &wire.Terminal{
		Term: []byte("xterm-256color"), Size: wire.Resize{Columns: 91, Rows: 27},
		Modes: map[uint8]uint32{53: 0 /* ECHO */, 3: 8 /* VERASE */},
	}
	out, exit := p.exec(t, nsjail.Exec{Session: "tty", Home: "alice.agent", Terminal: terminal,
		Command: []byte("tty; stty size; echo $TERM $SSH_TTY; stty -a | grep -o -E -- '-echo | erase = [^;]*'; sh -c 'echo x >/dev/tty'; exit 3")})
	want := "/dev/pts/0\r\n27 91\r\nxterm-256color /dev/pts/0\r\n erase = ^H\r\n-echo \r\nx\r\n"
	if out != want || exit.Code != 3 {
		t.Errorf("got %q and %+v, not %q", out, exit, want)
	}
}

func TestTerminalResize(t *testing.T) {
	p := startPod(t)
	master, door := p.terminal(t, `echo up; while :; do stty size; sleep 0.02; done`)
	reads(t, master, "up")
	must(t, door.Send(0, wire.TypeResize, wire.Resize{Columns: 33, Rows: 44}))
	reads(t, master, "44 33")
}

func TestTerminalInterrupt(t *testing.T) {
	p := startPod(t)
	// No trap: a shell that gets the signal just before it starts a program runs the trap only when that ends.
	master, door := p.terminal(t, `echo up; exec cat`)
	reads(t, master, "up")
	if _, err := master.Write([]byte{3}); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	_ = door.SetDeadline(time.Now().Add(20 * time.Second))
	var exit wire.Exit
	m, _, err := door.Receive()
	if err != nil || m.Decode(&exit) != nil || exit.Signal != "INT" {
		t.Errorf("ended with %+v, %v", exit, err)
	}
}

// terminal starts a command on a terminal and returns its master and the session's socket.
func (p *testPod) terminal(t *testing.T, command string) (*os.File, *wire.Conn) {
	t.Helper()
	s, err := nsjail.Run(t.Context(), p.run, p.guid, nsjail.Exec{
		Session: "tty", Home: "alice.agent", Terminal: &wire.Terminal{}, Command: []byte(command),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	door, err := wire.NewConn(s.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { door.Close() })
	master, err := wire.Pollable(s.Files[1])
	if err != nil {
		t.Fatal(err)
	}
	return master, door
}

func TestSignalReachesTheCommand(t *testing.T) {
	p := startPod(t)
	s, err := nsjail.Run(t.Context(), p.run, p.guid, nsjail.Exec{Session: "sig", Home: "alice.agent",
		Command: []byte(`trap 'echo got; exit 9' USR1; echo up; while :; do sleep 0.02; done`)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	door, err := wire.NewConn(s.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	reads(t, s.Files[2], "up")
	if err := door.Send(0, wire.TypeSignal, wire.Signal{Name: "USR1"}); err != nil {
		t.Fatal(err)
	}
	reads(t, s.Files[2], "got")
}

func TestPodDiesWhole(t *testing.T) {
	p := startPod(t)
	for n := range 2 {
		inits := children(t, p.process.Process.Pid)
		if len(inits) != 2 {
			t.Fatalf("the pod has %d inits", len(inits))
		}
		must(t, syscall.Kill(inits[n], syscall.SIGKILL))
		if err := p.process.Wait(); err == nil {
			t.Error("the supervisor ends well although a half died")
		}
		for _, pid := range inits {
			if syscall.Kill(pid, 0) == nil {
				t.Errorf("init %d is left", pid)
			}
		}
		p.launch(t)
	}
}

func TestPodEndsWithoutItsZygote(t *testing.T) {
	p := startPod(t)
	for _, init := range children(t, p.process.Process.Pid) {
		for _, zygote := range children(t, init) {
			must(t, syscall.Kill(zygote, syscall.SIGKILL))
		}
	}
	if _, err := nsjail.Run(t.Context(), p.run, p.guid, nsjail.Exec{Session: "s", Home: "alice.agent"}); err == nil {
		t.Error("a session was started without the zygote")
	}
	if err := p.process.Wait(); err == nil {
		t.Error("the supervisor ends well")
	}
	p.launch(t)
	p.prints(t, "echo again", "again\n")
}

func TestInitsDieWithTheSupervisor(t *testing.T) {
	p := startPod(t)
	inits := children(t, p.process.Process.Pid)
	if err := p.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.process.Wait()
	need.Eventually(t, "the inits are gone", func() bool { return allGone(inits) })
}

func allGone(pids []int) bool {
	for _, pid := range pids {
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(state), ") Z ") {
			return false
		}
	}
	return true
}

func TestNotRunning(t *testing.T) {
	_, err := nsjail.Run(context.Background(), t.TempDir(), "00", nsjail.Exec{})
	if err == nil || !strings.Contains(err.Error(), nsjail.ErrNotRunning.Error()) {
		t.Errorf("got %v", err)
	}
}

func (p *testPod) prints(t *testing.T, command, want string) {
	t.Helper()
	if got, exit := p.sh(t, command); got != want {
		t.Errorf("%s\nprinted %q (%+v), not %q", command, got, exit, want)
	}
}

// reads reads until text has come.
func reads(t *testing.T, from *os.File, text string) string {
	t.Helper()
	_ = from.SetReadDeadline(time.Now().Add(20 * time.Second)) // where it is pollable
	var got strings.Builder
	buf := make([]byte, 256)
	for !strings.Contains(got.String(), text) {
		n, err := from.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			t.Fatalf("%q did not come: %q, %v", text, got.String(), err)
		}
	}
	return got.String()
}

// children lists the processes that a process has started.
func children(t *testing.T, pid int) []int {
	t.Helper()
	out, err := exec.Command("ps", "-o", "pid=", "--ppid", fmt.Sprint(pid)).Output()
	if err != nil && len(out) > 0 { // ps fails when there is none
		t.Fatal(err)
	}
	var pids []int
	for field := range strings.FieldsSeq(string(out)) {
		var n int
		if _, err := fmt.Sscan(field, &n); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, n)
	}
	return pids
}
