package pod

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
	"forkgate/tests/need"
)

// offering is a door to what listens in a pod.
type offering struct {
	*wire.Conn
	session *nsjail.Session
}

// listens runs a session that listens. It returns what that says first.
func (p *testPod) listens(t *testing.T, network, address string) (*offering, wire.Message) {
	t.Helper()
	s, err := nsjail.Run(t.Context(), p.run, p.guid, nsjail.Exec{
		Session: fmt.Sprint(time.Now().UnixNano()), Home: "alice.agent", Forward: &wire.Forward{Network: network, Address: address, Listen: true},
	})
	must(t, err)
	t.Cleanup(s.Close)
	conn, err := wire.NewConn(s.Files[1])
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	o := &offering{conn, s}
	return o, o.hear(t)
}

func (o *offering) hear(t *testing.T) wire.Message {
	t.Helper()
	must(t, o.SetDeadline(time.Now().Add(20*time.Second)))
	m, files, err := o.Receive()
	wire.CloseAll(files)
	must(t, err)
	return m
}

// carry takes in the next one who connects, and returns pipes to and from whoever that is.
func (o *offering) carry(t *testing.T) (id uint64, to, from *os.File) {
	t.Helper()
	m := o.hear(t)
	if m.Type != wire.TypeArrived {
		t.Fatalf("it says %s", m.Type)
	}
	in, to, err := os.Pipe()
	must(t, err)
	from, out, err := os.Pipe()
	must(t, err)
	must(t, o.Send(m.ID, wire.TypeCarry, struct{}{}, in, out))
	in.Close()
	out.Close()
	if m := o.hear(t); m.Type != wire.TypeCarrying {
		t.Fatalf("it says %s", m.Type)
	}
	return m.ID, to, from
}

// port is on which one it listens.
func port(t *testing.T, m wire.Message) uint16 {
	t.Helper()
	var where wire.Listening
	if m.Type != wire.TypeListening || m.Decode(&where) != nil {
		t.Fatalf("it says %s: %s", m.Type, m.Body)
	}
	return where.Port
}

// What listens inside is found there and nowhere else, and carries each direction to its end. Asked to stop it lets no more in, and carries on.
func TestASessionListensInside(t *testing.T) {
	p := startPod(t)
	door, said := p.listens(t, "tcp", "localhost:0")
	at := port(t, said)
	if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", at)); err == nil {
		c.Close()
		t.Error("the host has it on its own loopback")
	}
	answer := make(chan string, 1)
	go func() {
		out, exit := p.sh(t, fmt.Sprintf("echo from inside | nc -w 20 127.0.0.1 %d; echo over", at))
		answer <- fmt.Sprint(out, exit.Code)
	}()
	id, to, from := door.carry(t)
	if got, err := io.ReadAll(io.LimitReader(from, 12)); string(got) != "from inside\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	must(t, door.Send(0, wire.TypeStop, struct{}{}))
	if m := door.hear(t); m.Type != wire.TypeStopped {
		t.Errorf("it says %s", m.Type)
	}
	if out, exit := p.sh(t, fmt.Sprintf("nc -w 5 127.0.0.1 %d </dev/null", at)); exit.Code == 0 {
		t.Errorf("it still listens: %q", out)
	}
	_, err := io.WriteString(to, "from outside\n")
	must(t, err)
	to.Close()
	if got := <-answer; got != "from outside\nover\n0" {
		t.Errorf("%q", got)
	}
	from.Close()
	if m := door.hear(t); m.Type != wire.TypeCarried || m.ID != id {
		t.Errorf("it says %s of %d", m.Type, m.ID)
	}
	if _, _, err := door.Receive(); err == nil {
		t.Error("it lives, and has nothing to do")
	}
}

// A door that does not want a connection, or is done with it, has it ended inside.
func TestWhatTheDoorDoesNotCarry(t *testing.T) {
	p := startPod(t)
	door, said := p.listens(t, "tcp", "*:0")
	at := port(t, said)
	for _, refuse := range []bool{true, false} {
		answer := make(chan wire.Exit, 1)
		go func() {
			_, exit := p.sh(t, fmt.Sprintf("mkfifo f$$; exec nc 127.0.0.1 %d <>f$$", at))
			answer <- exit
		}()
		if refuse {
			must(t, door.Send(door.hear(t).ID, wire.TypeNo, wire.No{Error: "no"}))
		} else {
			id, to, from := door.carry(t)
			must(t, door.Send(id, wire.TypeCarried, struct{}{}))
			to.Close()
			from.Close()
		}
		select {
		case <-answer:
		case <-time.After(20 * time.Second):
			t.Fatalf("refused %v: whoever connected waits", refuse)
		}
	}
}

// What cannot be is said in words: a port that is taken, one that is nobody's to take, a directory that there is not. A socket that nobody listens on any
// more makes way, and it is its owner's alone.
func TestWhatIsNotListenedOn(t *testing.T) {
	p := startPod(t)
	_, said := p.listens(t, "tcp", "127.0.0.1:0")
	taken := port(t, said)
	for address, want := range map[string]string{
		fmt.Sprintf("tcp 127.0.0.1:%d", taken): "address already in use", "tcp 192.0.2.1:0": "cannot assign requested address",
		"tcp 127.0.0.1:22": "permission denied", "unix /nowhere/s": "no such file or directory", "unix /etc/s": "read-only file system",
	} {
		network, address, _ := strings.Cut(address, " ")
		var no wire.No
		if _, said := p.listens(t, network, address); said.Type != wire.TypeNo || said.Decode(&no) != nil || no.Error != want {
			t.Errorf("%s: %s %s", address, said.Type, said.Body)
		}
	}
	for _, there := range []string{"echo precious >/tmp/there", "rm /tmp/there; ln -s /etc/passwd /tmp/there", "rm /tmp/there; mkdir /tmp/there"} {
		before, _ := p.sh(t, there+"; stat -c '%i %F' /tmp/there")
		var no wire.No
		if _, said := p.listens(t, "unix", "/tmp/there"); said.Decode(&no) != nil || no.Error != "address already in use" {
			t.Errorf("%s: %s %s", there, said.Type, said.Body)
		}
		if after, _ := p.sh(t, "stat -c '%i %F' /tmp/there"); after != before || before == "" {
			t.Errorf("%s: it was %q, and is %q", there, before, after)
		}
	}
	for range 2 { // the second finds what the first has left
		var door *offering
		var said wire.Message
		need.Eventually(t, "what the one that was killed has left makes way", func() bool { // its socket is closed a moment after its connection to the door
			door, said = p.listens(t, "unix", "/tmp/s")
			return said.Type != wire.TypeNo
		})
		port(t, said)
		if out, _ := p.sh(t, "stat -c '%a %U %F' /tmp/s"); out != "600 rediacc socket\n" {
			t.Errorf("%q", out)
		}
		var no wire.No
		if _, said := p.listens(t, "unix", "/tmp/s"); said.Decode(&no) != nil || no.Error != "address already in use" {
			t.Errorf("of one that is listened on: %s %s", said.Type, said.Body)
		}
		door.session.Close()
		need.Eventually(t, "it is killed", func() bool { _, _, err := door.Receive(); return err != nil })
	}
	if _, err := os.Stat("/tmp/s"); err == nil {
		t.Error("the host has it")
	}
}

// withAgent runs a command that has its caller's ssh-agent along, and returns the door's end.
func (p *testPod) withAgent(t *testing.T, command string) (*nsjail.Session, *offering) {
	t.Helper()
	s, err := nsjail.Run(t.Context(), p.run, p.guid, nsjail.Exec{Session: fmt.Sprint(time.Now().UnixNano()), Home: "alice.human", Command: []byte(command), Agent: true})
	must(t, err)
	t.Cleanup(s.Close)
	conn, err := wire.NewConn(s.Files[4])
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return s, &offering{conn, s}
}

// The caller's ssh-agent is where the session alone finds it: neither another session of the same caller's nor the host. It goes
// with the session, and so does who is connected. The session itself is the control.
func TestAnAgentIsOneSessionsOwn(t *testing.T) {
	p := startPod(t)
	program, err := os.ReadFile(p.init)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(p.spec.Data, "forkgate-init"), program, 0o755))
	s, door := p.withAgent(t, `echo "$SSH_AUTH_SOCK"; stat -c '%a %U' "$SSH_AUTH_SOCK"; touch /run/ssh-agent/x 2>&1; echo hello | ./forkgate-init dial unix "$SSH_AUTH_SOCK"; sleep 60`)
	from := make(chan string, 1)
	go func() {
		said, _ := io.ReadAll(io.LimitReader(s.Files[2], 200))
		from <- string(said)
	}()
	_, to, out := door.carry(t)
	if got, err := io.ReadAll(io.LimitReader(out, 6)); string(got) != "hello\n" || err != nil {
		t.Errorf("the control: %q, %v", got, err)
	}
	_, err = io.WriteString(to, "an answer\n")
	must(t, err)
	if out, _ := p.exec(t, nsjail.Exec{Session: "another", Home: "alice.human", Command: []byte(`echo "[$SSH_AUTH_SOCK]"; ls /run/ssh-agent; ls -d /proc/[0-9]*/root/run/ssh-agent/* 2>/dev/null`)}); out != "[]\n" {
		t.Errorf("another session sees %q", out)
	}
	if _, err := os.Stat("/run/ssh-agent"); err == nil {
		t.Error("the host has it")
	}
	s.Close()
	need.Eventually(t, "nothing offers any more", func() bool { _, _, err := door.Receive(); return err != nil })
	if got := <-from; !strings.HasPrefix(got, "/run/ssh-agent/agent.sock\n600 rediacc\n") || !strings.Contains(got, "an answer") || !strings.Contains(got, "ermission denied") {
		t.Errorf("the session says %q", got)
	}
	if pipeOpen(out) {
		t.Error("the pipes are still held inside")
	}
}

// pipeOpen reports whether somebody has the other end of a pipe that is read.
func pipeOpen(f *os.File) bool {
	_ = f.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := f.Read(make([]byte, 1))
	return err != io.EOF
}

// A client that brings no agent has neither socket nor variable, whatever it sends.
func TestNoAgentWhereNoneComesAlong(t *testing.T) {
	p := startPod(t)
	out, _ := p.exec(t, nsjail.Exec{Session: "s", Home: "alice.human", Command: []byte(`ls -A /run/ssh-agent; env | grep AUTH_SOCK; echo end`)})
	if out != "end\n" {
		t.Errorf("%q", out)
	}
	s, _ := p.withAgent(t, "true")
	if _, err := unix.FcntlInt(s.Files[1].Fd(), unix.F_GETFD, 0); err != nil {
		t.Error(err)
	}
}
