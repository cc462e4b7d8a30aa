package door_test

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/warden/client"
	"forkgate/tests/need"
)

// A connection by which nothing goes ends, however often its client says that it is there; its session hears why. Controls: one that carries something
// now and then does not, and none does where policy says nothing.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		idle    time.Duration
		command string
		ends    bool
	}{
		{"silent", 300 * time.Millisecond, "sleep 60", true},
		{"not silent", 2 * time.Second, "for i in 1 2 3 4 5 6 7 8; do sleep 0.5; echo; done", false},
		{"without a limit", 0, "sleep 1", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := open(t, func(w *doortest.Warden, _ *door.Config) { w.Bounds.Idle = test.idle })
			c := p.dial("demo")
			over := make(chan struct{})
			defer close(over)
			go func() { // a client's keepalives
				for {
					select {
					case <-over:
						return
					case <-time.After(50 * time.Millisecond):
					}
					if _, _, err := c.SendRequest("keepalive@openssh.com", true, nil); err != nil {
						return
					}
				}
			}()
			s, err := c.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			var errs bytes.Buffer
			s.Stderr = &errs
			err = s.Run(test.command)
			if told := strings.Contains(errs.String(), "forkgate: nothing has gone by this connection for 300ms, which is the limit: it ends"); (err != nil) != test.ends || told != test.ends {
				t.Errorf("%v, %q", err, errs.String())
			}
			if test.ends {
				need.Eventually(t, "it is over inside", func() bool { return p.warden.Seen().Running == 0 })
			}
		})
	}
}

// A connection that has logged in and opens nothing is idle as well. Control: where policy says nothing it stays.
func TestIdleBeforeAnythingIsOpened(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{300 * time.Millisecond, 0} {
		p := open(t, func(w *doortest.Warden, _ *door.Config) { w.Bounds.Idle = limit })
		ended := make(chan struct{})
		c := p.dial("demo")
		go func() { c.Wait(); close(ended) }()
		select {
		case <-ended:
			if limit == 0 {
				t.Error("it ends without a limit")
			}
		case <-time.After(3 * time.Second):
			if limit != 0 {
				t.Error("it does not end")
			}
		}
	}
}

// Nothing waits for a connection to be idle that is over.
func TestNothingWaitsForWhatIsOver(t *testing.T) {
	t.Parallel()
	p := open(t, func(w *doortest.Warden, _ *door.Config) { w.Bounds.Idle = time.Hour })
	c := p.dial("demo")
	const waits = "watchIdle.func"
	if !strings.Contains(stacks(), waits) {
		t.Error("nothing waits while it is there")
	}
	c.Close()
	need.Eventually(t, "nothing waits any more", func() bool { return !strings.Contains(stacks(), waits) })
}

// stacks is what all goroutines do.
func stacks() string {
	all := make([]byte, 4<<20)
	return string(all[:runtime.Stack(all, true)])
}

// Who logs in is known to the warden at once. A login that it does not accept is good for one session, or a forward, that hears why; a connection
// that asks for neither ends. Control: the others stay.
func TestTheWardenKnowsWhoLogsIn(t *testing.T) {
	t.Parallel()
	no := &gate.Refusal{Reason: "enough of you"}
	var refused atomic.Bool
	p := open(t, func(w *doortest.Warden, c *door.Config) {
		c.HandshakeTimeout = time.Second
		w.Refuse = func(client.AssertRequest) error {
			if refused.Load() {
				return no
			}
			return nil
		}
	})
	accepted := p.dial("demo")
	if n := len(p.warden.Seen().Asserted); n != 1 {
		t.Errorf("after a login the warden has heard of %d", n)
	}
	refused.Store(true)
	c := p.dial("demo")
	if _, _, err := c.OpenChannel("direct-tcpip", ssh.Marshal(direct{"localhost", 80, "", 0})); err == nil || !strings.Contains(err.Error(), no.Reason) {
		t.Errorf("a forward: %v", err)
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := s.CombinedOutput("true"); err == nil || !strings.Contains(string(text), no.Reason) {
		t.Errorf("a session: %q, %v", text, err)
	}
	c = p.dial("demo")
	c.Wait()
	if _, _, err := accepted.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Errorf("the one that was accepted: %v", err)
	}
}

// Logins that the warden does not accept count as if there had been none: a source has so many places for them, and no more.
func TestRefusedLoginsKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	const places = 3
	for _, refuses := range []bool{true, false} {
		p := open(t, func(w *doortest.Warden, c *door.Config) {
			c.MaxPerSource = places
			w.Refuse = func(client.AssertRequest) error {
				if refuses {
					return &gate.Refusal{Reason: "enough of you"}
				}
				return nil
			}
		})
		came := 0
		for range 2 * places {
			c, err := p.tryDial("demo", p.key)
			if err != nil {
				continue
			}
			defer c.Close()
			came++
		}
		if want := map[bool]int{true: places, false: 2 * places}[refuses]; came > want || came == 0 || !refuses && came != want {
			t.Errorf("refused %t: %d are there, not %d", refuses, came, want)
		}
	}
}

// A connection that the warden knows no more, as it has been restarted, ends when nothing is open on it, and not before.
func TestWhatARestartForgets(t *testing.T) {
	t.Parallel()
	var restarted atomic.Bool
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Refuse = func(client.AssertRequest) error {
			if restarted.Load() {
				return &gate.Refusal{Reason: "it has been restarted since"}
			}
			return nil
		}
	})
	c := p.dial("demo")
	running := p.session(c)
	mustRequest(t, running, "exec", execReq{"cat"})
	io.WriteString(running, "runs\n")
	if _, err := io.ReadFull(running, make([]byte, len("runs\n"))); err != nil { // it does when the door has been answered, and not when the warden has begun it
		t.Fatal(err)
	}
	p.warden.Stop()
	restarted.Store(true)
	p.warden.Start()
	for range 3 {
		if _, _, err := c.OpenChannel("direct-tcpip", ssh.Marshal(direct{"localhost", 80, "", 0})); err == nil || !strings.Contains(err.Error(), "restarted since") {
			t.Errorf("a forward: %v", err)
		}
	}
	if n := len(p.warden.Seen().Asserted); n != 2 {
		t.Errorf("the warden was told %d times who speaks", n)
	}
	time.Sleep(6 * time.Second)
	io.WriteString(running, "still here\n")
	running.CloseWrite()
	if got := readAll(t, running); got != "still here\n" {
		t.Errorf("the session: %q", got)
	}
	running.Close()
	over := make(chan struct{})
	go func() { c.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(20 * time.Second):
		t.Error("the connection stays")
	}
}

// How many sessions and forwards a connection has is the policy's to say, and the one who is refused hears the number.
func TestBoundsOfAConnection(t *testing.T) {
	t.Parallel()
	p := open(t, func(w *doortest.Warden, _ *door.Config) { w.Bounds = client.Bounds{Sessions: 2, Forwards: 1} })
	c := p.dial("demo")
	for range 2 {
		p.session(c)
	}
	if _, _, err := c.OpenChannel("session", nil); err == nil || !strings.Contains(err.Error(), "at most 2 sessions at a time on one connection") {
		t.Errorf("a third session: %v", err)
	}
	l := p.listen(c)
	_, _, err := c.OpenChannel("direct-tcpip", ssh.Marshal(direct{"localhost", 80, "", 0}))
	if err == nil || !strings.Contains(err.Error(), "at most 1 forwards at a time on one connection") {
		t.Errorf("a second forward: %v", err)
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
		t.Errorf("what connects to the first: %q, %v", got, err)
	}
}
