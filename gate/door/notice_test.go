package door_test

import (
	"bufio"
	"fmt"
	"strings"
	"testing"

	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
)

// What the warden has to say reaches the caller beside the command's own output, on one line whatever is in it; and a session that has
// ended hears nothing, nor does it end the connection.
func TestNotice(t *testing.T) {
	p := open(t)
	c := p.dial("demo")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	stdout, _ := s.StdoutPipe()
	stderr, _ := s.StderrPipe()
	if err := s.Start("echo up; exec sleep 100"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	p.warden.Say("it ends\nnow")
	if line, err := bufio.NewReader(stderr).ReadString('\n'); line != "forkgate: it ends\\nnow\n" {
		t.Errorf("the caller reads %q, %v", line, err)
	}
	s.Close()
	p.warden.Say("to nobody")
	if _, err := c.NewSession(); err != nil {
		t.Errorf("the connection is gone: %v", err)
	}
}

// The warden that ended it may be another one than that which opened it, and knows nobody to tell: the door asks, by a new way.
func TestVanishedByAnotherWarden(t *testing.T) {
	t.Parallel()
	p := open(t, func(w *doortest.Warden, _ *door.Config) { w.Wordless, w.Ended = true, "a grant has\nended" })
	channel, requests, err := p.dial("demo").OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	mustRequest(t, channel, "exec", execReq{"echo up; read line"})
	if line, err := bufio.NewReader(channel).ReadString('\n'); line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	p.warden.Stop()
	p.warden.Start()
	if _, err := channel.Write([]byte("now\n")); err != nil {
		t.Fatal(err)
	}
	status := exitStatus(t, requests)
	if stderr := readAll(t, channel.Stderr()); status != 255 || !strings.HasPrefix(stderr, "forkgate: a grant has\\nended\nforkgate: the session was ended from outside") {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
}

// Who has been told why hears it once, though the door asks as well: the end may be there before the notice is.
func TestWhyIsSaidOnce(t *testing.T) {
	t.Parallel()
	p := open(t, func(w *doortest.Warden, _ *door.Config) { w.Wordless, w.Ended = true, "access revoked" })
	channel, requests, err := p.dial("demo").OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	mustRequest(t, channel, "exec", execReq{"echo up; read line"})
	if line, err := bufio.NewReader(channel).ReadString('\n'); line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	p.warden.Say("access revoked")
	stderr := bufio.NewReader(channel.Stderr())
	if line, err := stderr.ReadString('\n'); line != "forkgate: access revoked\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := channel.Write([]byte("now\n")); err != nil {
		t.Fatal(err)
	}
	if status, rest := exitStatus(t, requests), readAll(t, stderr); status != 255 || rest != "forkgate: the session was ended from outside, session fake-session\n" {
		t.Errorf("status %d, and then %q", status, rest)
	}
}

// What the gate says and what a command writes to stderr at the same time each arrive whole.
func TestNoticesBetweenOutput(t *testing.T) {
	t.Parallel()
	const said, wrote = 200, 16 << 20
	p := open(t)
	channel, requests, err := p.dial("demo").OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	// Not before it is read: the two streams share a window, and what nobody reads of one keeps the other from coming.
	mustRequest(t, channel, "exec", execReq{fmt.Sprintf("echo up; read line; head -c %d /dev/zero | tr '\\0' x >&2", wrote)})
	if line, err := bufio.NewReader(channel).ReadString('\n'); line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := channel.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	for range said {
		p.warden.Say("look out")
	}
	all := readAll(t, channel.Stderr())
	status := exitStatus(t, requests)
	heard := strings.Count(all, "forkgate: look out\n")
	if rest := strings.ReplaceAll(all, "forkgate: look out\n", ""); status != 0 || heard == 0 || len(rest) != wrote || strings.Trim(rest, "x") != "" {
		t.Errorf("status %d, %d of %d notices, %d of %d bytes", status, heard, said, len(rest), wrote)
	}
}
