package door_test

import (
	"io"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/warden/client"
)

type (
	ptyReq struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        []byte
	}
	window  struct{ Columns, Rows, Width, Height uint32 }
	execReq struct{ Command string }
	envReq  struct{ Name, Value string }
	nameReq struct{ Name string }
)

func request(t *testing.T, c ssh.Channel, kind string, payload any) bool {
	t.Helper()
	var body []byte
	if payload != nil {
		body = ssh.Marshal(payload)
	}
	ok, err := c.SendRequest(kind, true, body)
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	return ok
}

func mustRequest(t *testing.T, c ssh.Channel, kind string, payload any) {
	t.Helper()
	if !request(t, c, kind, payload) {
		t.Fatalf("%s is refused", kind)
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func refuseAll(w *doortest.Warden, _ *door.Config) {
	w.Judge = func(client.AssertRequest, client.OpenRequest) error {
		return &gate.Refusal{Reason: "not here", Hint: "elsewhere"}
	}
}

// session opens a session channel. Its requests are thrown away.
func (p *place) session(c *ssh.Client) ssh.Channel {
	p.t.Helper()
	channel, requests, err := c.OpenChannel("session", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	return channel
}

// What comes too late, twice or malformed is refused, and the session goes on.
func TestRequestsOutOfPlace(t *testing.T) {
	t.Parallel()
	p := open(t)
	channel := p.session(p.dial("demo"))
	refused := func(kind string, payload any) {
		t.Helper()
		if request(t, channel, kind, payload) {
			t.Errorf("%s is accepted", kind)
		}
	}
	refused("window-change", window{1, 2, 3, 4}) // no terminal yet
	refused("env", envReq{"A=B", "x"})
	refused("env", envReq{"", "x"})
	refused("pty-req", nameReq{"short"})
	refused("pty-req", ptyReq{"xterm", 1, 1, 1, 1, []byte{3, 0}})
	refused("exec", execReq{"nul\x00byte"})
	refused("subsystem", nameReq{"netconf"})
	refused("x11-req", nil)
	refused("signal", nameReq{"NOSUCH"})
	refused("no-such-request", nil)
	mustRequest(t, channel, "pty-req", ptyReq{"xterm", 80, 24, 0, 0, nil})
	refused("pty-req", ptyReq{"xterm", 80, 24, 0, 0, nil})
	mustRequest(t, channel, "exec", execReq{"read x; echo end"})
	refused("auth-agent-req@openssh.com", nil)
	refused("exec", execReq{"echo second"})
	refused("shell", nil)
	refused("env", envReq{"LANG", "C"})
	refused("pty-req", ptyReq{"xterm", 80, 24, 0, 0, nil})
	io.WriteString(channel, "go\n")
	if got := readAll(t, channel); got != "go\r\nend\r\n" {
		t.Errorf("%q", got)
	}
	if n := len(p.warden.Seen().Opened); n != 1 {
		t.Errorf("%d sessions were opened", n)
	}
}

// Signals before and after the start, to a command without a terminal.
func TestSignals(t *testing.T) {
	t.Parallel()
	p := open(t)
	channel := p.session(p.dial("demo"))
	mustRequest(t, channel, "exec", execReq{"trap 'echo got; exit' USR1; echo ready; while :; do sleep 0.05; done"})
	if _, err := io.ReadFull(channel, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	mustRequest(t, channel, "signal", nameReq{"USR1"})
	if got := readAll(t, channel); got != "got\n" {
		t.Errorf("%q", got)
	}
}

// Variables: all of them are evidence, few of them reach the session.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	p := open(t)
	channel := p.session(p.dial("demo"))
	for name, kept := range map[string]bool{
		"LANG": true, "LC_ALL": true, "COLORTERM": true, "NO_COLOR": true, "GIT_PROTOCOL": true, "EDITOR": true,
		"LC_": true, "LC_a": false, "LC_X=": false, "CLAUDECODE": false, "LD_PRELOAD": false, "BASH_ENV": false,
		"PATH": false, "HOME": false, "DOCKER_HOST": false, "GIT_SSH_COMMAND": false, "lang": false,
	} {
		if got := request(t, channel, "env", envReq{name, "v-" + name}); got != kept {
			t.Errorf("env %s: accepted is %v", name, got)
		}
	}
	mustRequest(t, channel, "env", envReq{"LANG", "last"})
	mustRequest(t, channel, "exec", execReq{"echo $LANG,$LC_ALL,$CLAUDECODE,$LD_PRELOAD,$BASH_ENV"})
	if got := readAll(t, channel); got != "last,v-LC_ALL,,,\n" {
		t.Errorf("the session has %q", got)
	}
	opened := p.warden.Seen().Opened[0]
	marks := map[string]bool{}
	for _, m := range opened.Marks {
		marks[string(m)] = true
	}
	if !marks["CLAUDECODE=v-CLAUDECODE"] || !marks["LD_PRELOAD=v-LD_PRELOAD"] || !marks["LANG=v-LANG"] || !marks["LANG=last"] {
		t.Errorf("evidence is missing: %q", opened.Marks)
	}
	if len(opened.Env) != 7 {
		t.Errorf("the session gets %q", opened.Env)
	}
}
