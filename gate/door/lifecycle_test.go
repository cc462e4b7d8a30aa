package door_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/warden/client"
	"forkgate/tests/need"
)

// A restart of the warden breaks neither a running session nor the connection it runs on.
func TestWardenRestart(t *testing.T) {
	t.Parallel()
	p := open(t)
	c := p.dial("demo")
	running := p.session(c)
	mustRequest(t, running, "exec", execReq{"echo running; cat; echo over"})
	if _, err := io.ReadFull(running, make([]byte, len("running\n"))); err != nil {
		t.Fatal(err)
	}

	p.warden.Stop()
	down, requests, err := c.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	mustRequest(t, down, "exec", execReq{"echo in"})
	if status := exitStatus(t, requests); status != 255 {
		t.Errorf("without a warden: status %d, not 255", status)
	}
	if text := readAll(t, down.Stderr()); !strings.HasPrefix(text, "forkgate: the gate failed, session ") {
		t.Errorf("without a warden: %q", text)
	}
	p.warden.Start()

	again := p.session(c)
	mustRequest(t, again, "exec", execReq{"echo again"})
	if got := readAll(t, again); got != "again\n" {
		t.Errorf("after the restart: %q", got)
	}
	if n := len(p.warden.Seen().Asserted); n != 2 {
		t.Errorf("%d assertions, not one for each warden", n)
	}
	io.WriteString(running, "still here\n")
	running.CloseWrite()
	if got := readAll(t, running); got != "still here\nover\n" {
		t.Errorf("the running session: %q", got)
	}
}

// Without a warden nobody gets in, and a door that waits for one does not hang.
func TestNoWarden(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.warden.Stop()
	if c, err := p.tryDial("demo", p.key); err == nil {
		c.Close()
		t.Fatal("let in")
	}
	p.warden.Start()
	p.dial("demo")
}

// A closing door lets sessions end, lets nobody in, and then hangs up on those that stay.
func TestDrain(t *testing.T) {
	t.Parallel()
	p := open(t, func(_ *doortest.Warden, c *door.Config) { c.Grace = 5 * time.Second })
	c := p.dial("demo")
	channel := p.session(c)
	mustRequest(t, channel, "exec", execReq{"cat; echo over"})
	stopped := make(chan error, 1)
	go func() { stopped <- p.stop() }()
	need.Eventually(t, "nobody is let in", func() bool {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	io.WriteString(channel, "still here\n")
	channel.CloseWrite()
	if got := readAll(t, channel); got != "still here\nover\n" {
		t.Errorf("the session: %q", got)
	}
	c.Close()
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(4 * time.Second):
		t.Error("the door waits although nobody is left")
	}
}

func TestDrainEnds(t *testing.T) {
	t.Parallel()
	p := open(t, func(_ *doortest.Warden, c *door.Config) { c.Grace = 50 * time.Millisecond })
	channel := p.session(p.dial("demo"))
	mustRequest(t, channel, "exec", execReq{"trap '' TERM HUP; sleep 60"})
	need.Eventually(t, "the session runs", func() bool { return p.warden.Seen().Running == 1 })
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	need.Eventually(t, "the session has ended", func() bool { return p.warden.Seen().Running == 0 })
}

// Over a Unix socket there is no source address, and no limit by source.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	p := open(t, func(_ *doortest.Warden, c *door.Config) { c.MaxPerSource = 1 })
	path := filepath.Join(p.dir, "door.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	p.serve(door.Config{Dial: door.DialSocket(p.warden.Path), MaxPerSource: 1, Grace: -1, Log: quiet}, l)
	for range 3 { // silent ones
		idle, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
	}
	raw, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, chans, requests, err := ssh.NewClientConn(raw, "door", &ssh.ClientConfig{
		User: "demo", Auth: []ssh.AuthMethod{ssh.PublicKeys(p.key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := ssh.NewClient(conn, chans, requests)
	defer c.Close()
	channel := p.session(c)
	mustRequest(t, channel, "exec", execReq{"echo in"})
	if got := readAll(t, channel); got != "in\n" {
		t.Errorf("%q", got)
	}
	if source := p.warden.Seen().Asserted[0].Source; source.IsValid() {
		t.Errorf("a Unix socket has source %v", source)
	}
}

// A session that ends without a word, as when its fork is removed, is a failure to the client and never a success.
func TestVanishedSession(t *testing.T) {
	t.Parallel()
	p := open(t, func(w *doortest.Warden, _ *door.Config) { w.Wordless = true })
	channel, requests, err := p.dial("demo").OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	mustRequest(t, channel, "exec", execReq{"echo partial; exit 0"})
	status := exitStatus(t, requests)
	stdout, stderr := readAll(t, channel), readAll(t, channel.Stderr())
	if status != 255 || stdout != "partial\n" || stderr != "forkgate: the session was ended from outside, session fake-session\n" {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

// panicky panics wherever a test wants it to.
type panicky struct {
	door.Warden
	in string
}

func (p panicky) HostKeys(ctx context.Context) (client.HostKeysReply, error) {
	p.at("hostkeys")
	return p.Warden.HostKeys(ctx)
}

func (p panicky) Sign(ctx context.Context, q client.SignRequest) (client.SignReply, error) {
	p.at("sign")
	return p.Warden.Sign(ctx, q)
}

func (p panicky) Identify(ctx context.Context, q client.IdentifyRequest) (bool, error) {
	p.at("identify")
	return p.Warden.Identify(ctx, q)
}

func (p panicky) Open(ctx context.Context, q client.OpenRequest) (*client.Session, error) {
	p.at("open")
	return p.Warden.Open(ctx, q)
}

func (p panicky) at(here string) {
	if p.in == here {
		panic("made by a test")
	}
}

// A panic ends its own connection, and no other.
func TestPanic(t *testing.T) {
	t.Parallel()
	p := open(t)
	bystander := p.session(p.dial("demo"))
	for _, in := range []string{"hostkeys", "sign", "identify", "open"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		dial := door.DialSocket(p.warden.Path)
		p.serve(door.Config{Grace: -1, Log: quiet, Dial: func(ctx context.Context) (door.Warden, error) {
			w, err := dial(ctx)
			return panicky{w, in}, err
		}}, l)
		p.addr = l.Addr().String()
		c, err := p.tryDial("demo", p.key)
		if (err == nil) != (in == "open") {
			t.Errorf("panic in %s: dialling gives %v", in, err)
		}
		if err != nil {
			continue
		}
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		var exit *ssh.ExitError
		if err := s.Run("true"); err == nil || errors.As(err, &exit) && exit.ExitStatus() == 0 {
			t.Errorf("panic in %s: %v", in, err)
		}
		c.Close()
	}
	mustRequest(t, bystander, "exec", execReq{"echo fine"})
	if got := readAll(t, bystander); got != "fine\n" {
		t.Errorf("the bystander: %q", got)
	}
}

// A door that is shut says so, in words that are not those for a key that nobody has.
func TestShutDoorSaysSo(t *testing.T) {
	t.Parallel()
	p := open(t, func(w *doortest.Warden, _ *door.Config) { w.Shut = &gate.Refusal{Reason: "the policy does not load"} })
	out, err := p.ssh("ssh", "-o", "LogLevel=INFO", "demo@host", "true").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "forkgate: the policy does not load\n") {
		t.Errorf("%v, %q", err, out)
	}
}

// A client that does not answer any more, its network gone, loses its sessions; one that only has nothing to say keeps them.
func TestSilentClientIsHungUpOn(t *testing.T) {
	t.Parallel()
	p := open(t, func(_ *doortest.Warden, c *door.Config) { c.KeepAlive = time.Second })
	answering := p.dial("demo")
	session, err := answering.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	input, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("cat; exit 3"); err != nil {
		t.Fatal(err)
	}

	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	silent, _, requests, err := ssh.NewClientConn(conn, p.addr, &ssh.ClientConfig{
		User: "demo", Auth: []ssh.AuthMethod{ssh.PublicKeys(p.key)}, HostKeyCallback: ssh.FixedHostKey(p.warden.HostKey.PublicKey()),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	channel, replies, err := silent.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(replies)
	if _, err := channel.SendRequest("exec", true, ssh.Marshal(execReq{"sleep 100"})); err != nil {
		t.Fatal(err)
	}
	need.Eventually(t, "both sessions run", func() bool { return p.warden.Seen().Running == 2 })
	need.Eventually(t, "the silent client's session is gone", func() bool { return p.warden.Seen().Running == 1 })
	input.Close()
	var exit *ssh.ExitError
	if err := session.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 3 {
		t.Errorf("the client that answers lost its session: %v", err)
	}
	_ = requests // not served: that is what makes it silent
}

// A door that yields lets nobody in any more, and serves who is in for as long as that takes. Who had come when it yielded is not turned away, and the
// end of its context is the end.
func TestYield(t *testing.T) {
	t.Parallel()
	yield := make(chan struct{})
	p := openBehind(t, func(l net.Listener) net.Listener {
		return &lastComer{Listener: l, yield: yield, closed: make(chan struct{})}
	}, func(_ *doortest.Warden, c *door.Config) { c.Yield = yield })
	c := p.dial("demo")
	channel := p.session(c)
	mustRequest(t, channel, "exec", execReq{"cat; echo over"})
	// It is accepted at the moment in which the door yields.
	last := p.dial("demo")
	if got := readAll(t, execute(t, p.session(last), "echo came")); got != "came\n" {
		t.Errorf("who came last: %q", got)
	}
	need.Eventually(t, "nobody is let in", func() bool {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	again := p.session(c) // what is open can open more
	if got := readAll(t, execute(t, again, "echo again")); got != "again\n" {
		t.Errorf("another session: %q", got)
	}
	io.WriteString(channel, "still here\n")
	channel.CloseWrite()
	if got := readAll(t, channel); got != "still here\nover\n" {
		t.Errorf("the session: %q", got)
	}
	c.Close()
	last.Close()
	need.Eventually(t, "it ends by itself", func() bool { return strings.Contains(p.log.String(), "the last connection has ended") })
}

// lastComer has its door yield while the second one who came is being accepted.
type lastComer struct {
	net.Listener
	yield  chan struct{}
	closed chan struct{}
	many   int
}

func (l *lastComer) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if l.many++; l.many == 2 && err == nil {
		close(l.yield)
		<-l.closed
	}
	return c, err
}

func (l *lastComer) Close() error {
	close(l.closed)
	return l.Listener.Close()
}

func execute(t *testing.T, channel ssh.Channel, command string) ssh.Channel {
	t.Helper()
	mustRequest(t, channel, "exec", execReq{command})
	return channel
}
