package door_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/tests/need"
)

// A client that never gets to the point is cut off, whether it says nothing, or stops half-way.
func TestSlowLoris(t *testing.T) {
	t.Parallel()
	const limit = time.Second // enough to get as far as an offer among parallel tests
	p := open(t, func(_ *doortest.Warden, c *door.Config) { c.HandshakeTimeout = limit })
	stops := map[string]func() net.Conn{
		"silent": func() net.Conn { c, _ := net.Dial("tcp", p.addr); return c },
		"version only": func() net.Conn {
			c, _ := net.Dial("tcp", p.addr)
			io.WriteString(c, "SSH-2.0-x\r\n")
			return c
		},
		"before authentication": func() net.Conn { return dialRaw(t, p.addr).conn },
		"after an offer": func() net.Conn {
			r := dialRaw(t, p.addr)
			r.offer("demo", p.key.PublicKey())
			return r.conn
		},
		"one byte at a time": func() net.Conn {
			c, _ := net.Dial("tcp", p.addr)
			go func() {
				for range 100 {
					if _, err := c.Write([]byte("S")); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			}()
			return c
		},
	}
	for name, stop := range stops {
		t.Run(name, func(t *testing.T) {
			conn := stop()
			defer conn.Close()
			conn.SetReadDeadline(time.Now().Add(10 * limit))
			_, err := io.Copy(io.Discard, conn)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Fatalf("still connected after %v", 10*limit)
			}
		})
	}
}

// TestLateSession: who has authenticated may stay beyond the time for that.
func TestLateSession(t *testing.T) {
	t.Parallel()
	const limit = 5 * time.Second // for a login among parallel tests under the race detector
	p := open(t, func(_ *doortest.Warden, c *door.Config) { c.HandshakeTimeout = limit })
	c := p.dial("demo")
	time.Sleep(limit + time.Second/2)
	if _, err := c.NewSession(); err != nil {
		t.Errorf("an authenticated connection was cut off: %v", err)
	}
}

// Connections that have not authenticated are counted; those that have are not.
func TestStartups(t *testing.T) {
	t.Parallel()
	p := open(t, func(_ *doortest.Warden, c *door.Config) { c.MaxPerSource = 4 })
	for range 8 {
		p.dial("demo")
	}
	var idle []net.Conn
	for range 4 {
		idle = append(idle, dialRaw(t, p.addr).conn)
	}
	if c, err := p.tryDial("demo", p.key); err == nil {
		c.Close()
		t.Fatal("a fifth is let in beside four that do not authenticate")
	}
	idle[0].Close()
	need.Eventually(t, "a place is free again", func() bool {
		c, err := p.tryDial("demo", p.key)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Sixteen sessions on a connection, and a place is free again when one ends.
func TestSeventeenthChannel(t *testing.T) {
	t.Parallel()
	p := open(t)
	c := p.dial("demo")
	var channels []ssh.Channel
	for range 16 {
		channels = append(channels, p.session(c))
	}
	_, _, err := c.OpenChannel("session", nil)
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) || refused.Reason != ssh.ResourceShortage {
		t.Fatalf("the seventeenth: %v", err)
	}
	channels[3].Close()
	need.Eventually(t, "a place is free again", func() bool {
		_, _, err := c.OpenChannel("session", nil)
		return err == nil
	})
	mustRequest(t, channels[0], "exec", execReq{"echo still here"})
	if got := readAll(t, channels[0]); got != "still here\n" {
		t.Errorf("%q", got)
	}
}

// Too many variables, or too large ones, end in a refusal with a reason: what was dropped could be an agent's mark.
func TestEnvFlood(t *testing.T) {
	t.Parallel()
	for name, flood := range map[string]func(ssh.Channel){
		"many": func(c ssh.Channel) {
			for i := range 2000 {
				c.SendRequest("env", false, ssh.Marshal(envReq{fmt.Sprintf("X%d", i), "x"}))
			}
		},
		"large": func(c ssh.Channel) {
			for i := range 20 {
				c.SendRequest("env", false, ssh.Marshal(envReq{fmt.Sprintf("X%d", i), strings.Repeat("x", 30000)}))
			}
		},
	} {
		p := open(t)
		channel, requests, err := p.dial("demo").OpenChannel("session", nil)
		if err != nil {
			t.Fatal(err)
		}
		flood(channel)
		mustRequest(t, channel, "exec", execReq{"echo in"})
		status := exitStatus(t, requests)
		stderr, stdout := readAll(t, channel.Stderr()), readAll(t, channel)
		if status != 254 || stdout != "" || !strings.Contains(stderr, "too many environment variables") {
			t.Errorf("%s: status %d, stdout %q, stderr %q", name, status, stdout, stderr)
		}
		if n := len(p.warden.Seen().Opened); n != 0 {
			t.Errorf("%s: %d sessions were opened", name, n)
		}
	}
}

// Just within the limits is no flood.
func TestEnvLimit(t *testing.T) {
	t.Parallel()
	p := open(t)
	channel := p.session(p.dial("demo"))
	for i := range 64 {
		channel.SendRequest("env", false, ssh.Marshal(envReq{fmt.Sprintf("X%02d", i), strings.Repeat("x", 500)}))
	}
	mustRequest(t, channel, "exec", execReq{"echo in"})
	if got := readAll(t, channel); got != "in\n" {
		t.Errorf("%q", got)
	}
	if n := len(p.warden.Seen().Opened[0].Marks); n != 64 {
		t.Errorf("%d marks", n)
	}
}

// A command that no shell could be given is refused with a reason, and the longest one that it could is run.
func TestLongCommand(t *testing.T) {
	const longest = 128<<10 - 1
	t.Parallel()
	p := open(t)
	c := p.dial("demo")
	channel, requests, err := c.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	mustRequest(t, channel, "exec", execReq{"echo " + strings.Repeat("x", longest)})
	status := exitStatus(t, requests)
	if stderr := readAll(t, channel.Stderr()); status != 254 || !strings.Contains(stderr, "too long") {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
	channel = p.session(c)
	mustRequest(t, channel, "exec", execReq{"echo " + strings.Repeat("x", longest-5)})
	if got := readAll(t, channel); len(got) != longest-4 {
		t.Errorf("%d bytes", len(got))
	}
}

// A session that never reads what the door tells it holds nobody up: not its own channel, not another, not its exit.
func TestDeafSession(t *testing.T) {
	t.Parallel()
	p := open(t, func(w *doortest.Warden, _ *door.Config) { w.Deaf = true })
	c := p.dial("demo")
	channel, requests, err := c.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	mustRequest(t, channel, "pty-req", ptyReq{"xterm", 80, 24, 0, 0, nil})
	mustRequest(t, channel, "exec", execReq{"read x; exit 5"})
	for n := range uint32(20000) {
		channel.SendRequest("window-change", false, ssh.Marshal(window{n, n, 0, 0}))
		channel.SendRequest("signal", false, ssh.Marshal(nameReq{"USR1"}))
	}
	other := p.session(c)
	mustRequest(t, other, "exec", execReq{"echo fine"})
	if got := readAll(t, other); got != "fine\n" {
		t.Errorf("another channel: %q", got)
	}
	io.WriteString(channel, "\n")
	go io.Copy(io.Discard, channel)
	if status := exitStatus(t, requests); status != 5 {
		t.Errorf("status %d, not 5", status)
	}
}

// What a client does not read holds up nothing but its own channel.
func TestUnreadOutput(t *testing.T) {
	t.Parallel()
	p := open(t)
	c := p.dial("demo")
	stuck := p.session(c)
	mustRequest(t, stuck, "exec", execReq{"cat /dev/zero"})
	other := p.session(c)
	mustRequest(t, other, "exec", execReq{"head -c 5000000 /dev/zero"})
	if n, err := io.Copy(io.Discard, other); n != 5000000 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	stuck.Close()
	need.Eventually(t, "the session ends with its channel", func() bool { return p.warden.Seen().Running == 0 })
}

func exitStatus(t *testing.T, requests <-chan *ssh.Request) uint32 {
	t.Helper()
	for r := range requests {
		var m struct{ Status uint32 }
		if r.Type == "exit-status" && ssh.Unmarshal(r.Payload, &m) == nil {
			return m.Status
		}
	}
	t.Fatal("no exit status")
	return 0
}
