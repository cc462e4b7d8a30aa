package door_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/warden/client"
	"forkgate/tests/need"
)

// shout answers each connection with all that it has read, once that has ended, in capitals.
func shout(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			all, _ := io.ReadAll(conn)
			_, _ = io.WriteString(conn, strings.ToUpper(string(all)))
		}()
	}
}

// ask connects, says something to its end, and returns what comes back.
func ask(t *testing.T, network, address, text string) string {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		_, _ = io.WriteString(conn, text)
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("%s: %v", address, err)
	}
	return string(got)
}

// listen asks for a port inside, any that is free.
func (p *place) listen(c *ssh.Client) net.Listener {
	p.t.Helper()
	l, err := c.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { l.Close() })
	return l
}

// What listens inside brings what connects there to the client, each direction to its own end, many at a time; and by the port that it got.
func TestAListenerBringsConnections(t *testing.T) {
	t.Parallel()
	p := open(t)
	c := p.dial("demo")
	l := p.listen(c)
	go shout(l)
	long := strings.Repeat("through ", 1<<16)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got := ask(t, "tcp", l.Addr().String(), long); got != strings.ToUpper(long) {
				t.Errorf("%d bytes of %d", len(got), len(long))
			}
		})
	}
	all.Wait()
	opened := p.warden.Seen().Opened
	if len(opened) != 1 || opened[0].Op != string(gate.OpForwardRemote) || opened[0].Forward != (gate.Destination{Host: "127.0.0.1"}) {
		t.Errorf("the warden hears %+v", opened)
	}
}

// A socket is listened on in the same way; the port of every address is asked for by a star.
func TestWhatIsListenedOn(t *testing.T) {
	t.Parallel()
	p := open(t)
	c := p.dial("demo")
	path := filepath.Join(t.TempDir(), "s")
	l, err := c.ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go shout(l)
	if got := ask(t, "unix", path, "by socket"); got != "BY SOCKET" {
		t.Errorf("%q", got)
	}
	if ok, _, err := c.SendRequest("tcpip-forward", true, ssh.Marshal(struct {
		Host string
		Port uint32
	}{"", 0})); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	opened := p.warden.Seen().Opened
	if len(opened) != 2 || opened[0].Forward != (gate.Destination{Path: path}) || opened[1].Forward != (gate.Destination{Host: "*"}) {
		t.Errorf("the warden hears %+v", opened)
	}
}

// forwardRequest is the data of tcpip-forward and what cancels it.
func forwardRequest(host string, port int) []byte {
	return ssh.Marshal(struct {
		Host string
		Port uint32
	}{host, uint32(port)})
}

// What is cancelled listens no more, and what it carries goes on; another connection cancels nothing of this one's. The same can be asked for again.
func TestAListenerIsCancelled(t *testing.T) {
	t.Parallel()
	p := open(t)
	c := p.dial("demo")
	l := p.listen(c)
	address, port := l.Addr().String(), l.Addr().(*net.TCPAddr).Port
	there, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := p.dial("demo").SendRequest("cancel-tcpip-forward", true, forwardRequest("127.0.0.1", port)); ok || err != nil {
		t.Errorf("another connection's: %v, %v", ok, err)
	}
	if ok, _, err := c.SendRequest("cancel-tcpip-forward", true, forwardRequest("127.0.0.1", port)); !ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	if late, err := net.Dial("tcp", address); err == nil {
		late.Close()
		t.Error("it still listens")
	}
	if _, err := io.WriteString(there, "still"); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(io.LimitReader(here, 5)); err != nil || string(got) != "still" {
		t.Errorf("what it carried: %q, %v", got, err)
	}
	if ok, _, err := c.SendRequest("tcpip-forward", true, forwardRequest("127.0.0.1", port)); !ok || err != nil {
		t.Errorf("again: %v, %v", ok, err)
	}
	if ok, _, err := c.SendRequest("cancel-tcpip-forward", true, forwardRequest("localhost", port)); ok || err != nil {
		t.Errorf("by another name: %v, %v", ok, err)
	}
}

// Nothing of it is left when the connection ends.
func TestAListenerEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	p := open(t)
	c := p.dial("demo")
	l := p.listen(c)
	address := l.Addr().String()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c.Close()
	if _, err := io.ReadAll(conn); err != nil {
		t.Error(err)
	}
	need.Eventually(t, "nothing listens", func() bool { return p.warden.Seen().Running == 0 })
}

// Whoever connects inside is let go when the client does not want it.
func TestAClientThatTakesNothing(t *testing.T) {
	t.Parallel()
	p := open(t)
	c := p.dial("demo")
	ok, reply, err := c.SendRequest("tcpip-forward", true, forwardRequest("127.0.0.1", 0)) // no handler: the library refuses such channels
	var port struct{ Port uint32 }
	if !ok || err != nil || ssh.Unmarshal(reply, &port) != nil {
		t.Fatalf("%v, %v, %q", ok, err, reply)
	}
	if got := ask(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port.Port), "is anybody there"); got != "" {
		t.Errorf("%q", got)
	}
	need.Eventually(t, "it is over inside", func() bool { return p.warden.Seen().Over == 1 })
}

// What is refused, or does not come about, has no room in the protocol's answer; the session hears why. So it does in real ssh.
func TestWhyNothingListens(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Judge = func(_ client.AssertRequest, q client.OpenRequest) error {
			if q.Forward.Port == 81 {
				return &gate.Refusal{Reason: "port 81 is\nclosed", Hint: "ask"}
			}
			return nil
		}
	})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct{ port, want string }{
		{"81", `forkgate: nothing listens on localhost:81 (-R): port 81 is\nclosed (hint: ask)` + "\n"},
		{fmt.Sprint(taken.Addr().(*net.TCPAddr).Port), "(-R): address already in use\n"},
	} {
		got := run(t, p.ssh("ssh", "-l", "demo", "-o", "LogLevel=INFO", "-R", test.port+":127.0.0.1:1", "host", "echo in; sleep 0.5"), "")
		if got.Stdout != "in\n" || !strings.Contains(got.Stderr, test.want) || !strings.Contains(got.Stderr, "remote port forwarding failed") {
			t.Errorf("%s: %+v", test.port, got)
		}
	}
}

// Answers come in the order of the requests, also while something takes long to listen.
func TestRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Judge = func(client.AssertRequest, client.OpenRequest) error {
			<-hold
			return nil
		}
	})
	r := dialRaw(t, p.addr)
	if !r.prove("demo", p.key, p.key) {
		t.Fatal("a known key does not pass")
	}
	type global struct {
		Kind      string `sshtype:"80"`
		WantReply bool
		Data      []byte `ssh:"rest"`
	}
	for _, q := range []global{{"nonsense", true, nil}, {"tcpip-forward", true, forwardRequest("127.0.0.1", 0)}, {"keepalive@openssh.com", true, nil}, {"nonsense", true, nil}} {
		r.send(ssh.Marshal(q))
	}
	r.expect(82)
	need.Eventually(t, "the warden has it", func() bool { return len(p.warden.Seen().Opened) == 1 })
	close(hold)
	if got := r.expect(81, 82); got[0] != 81 || len(got) != 5 {
		t.Errorf("of what is to listen: %v", got)
	}
	if got := r.expect(81, 82); got[0] != 81 || len(got) != 1 {
		t.Errorf("of whether the door is there: %v", got)
	}
	r.expect(82)
}

// A session begins once what was asked for before it has been answered: real ssh says that nothing listens, and not that the command did well.
func TestASessionComesBehindWhatWasAskedBefore(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Judge = func(_ client.AssertRequest, q client.OpenRequest) error {
			if q.Op == string(gate.OpForwardRemote) {
				time.Sleep(300 * time.Millisecond)
				return &gate.Refusal{Reason: "no"}
			}
			return nil
		}
	})
	got := run(t, p.ssh("ssh", "-l", "demo", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "host", "true"), "")
	if got.Code != 255 || !strings.Contains(got.Stderr, "remote port forwarding failed") {
		t.Errorf("%+v", got)
	}
}

// sshAgent starts one that has a key.
func sshAgent(t *testing.T, key string) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "own")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Process.Kill(); _ = agent.Wait() })
	need.Eventually(t, "it has the key", func() bool {
		add := exec.Command("ssh-add", "-q", key)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		return add.Run() == nil
	})
	return socket
}

// An ssh-agent that is along is reached by the socket inside, by real ssh's own; and no longer than the session lives.
func TestAnAgentComesAlong(t *testing.T) {
	need.Tools(t, "ssh", "ssh-agent", "ssh-add")
	socket := filepath.Join(t.TempDir(), "agent")
	p := open(t, func(w *doortest.Warden, _ *door.Config) { w.AgentSocket = socket })
	own := sshAgent(t, filepath.Join(p.dir, "key"))
	got := run(t, p.ssh("ssh", "-A", "-o", "IdentityAgent="+own, "-l", "demo", "host", "SSH_AUTH_SOCK="+socket+" ssh-add -l"), "")
	if got.Code != 0 || !strings.Contains(got.Stdout, "SHA256:") {
		t.Errorf("%+v", got)
	}
	need.Eventually(t, "nothing is left", func() bool { return p.warden.Seen().Running == 0 })
	if conn, err := net.Dial("unix", socket); err == nil {
		conn.Close()
		t.Error("the socket is still served")
	}
}
