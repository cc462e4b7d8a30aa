package warden

import (
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// forwards permits people to forward to one port of production, which the policy of these tests else permits nobody.
const forwards = `
permit "to-80" {
  when = caller.kind == "human" && target.grand && op == "forward-local" && request.host == "localhost" && request.port == 80
}
permit "listeners" {
  when = caller.kind == "human" && target.grand && op == "forward-remote" && (request.port == 8080 || request.port == 0) && request.host != "*"
}
permit "to-docker" {
  when = caller.kind == "human" && target.grand && op == "forward-unix" && startswith(request.path, "/run/")
}
`

// Each destination is asked about; what runs is a session that leads there, and nothing else.
func TestForwards(t *testing.T) {
	h := newHost(t)
	h.more(t, forwards)
	h.start(t)
	c := h.connect(t, "demo", h.alice)
	open := func(op gate.Op, to gate.Destination) error {
		s, err := c.Open(t.Context(), client.OpenRequest{Op: string(op), Forward: to, Alone: true})
		if err == nil {
			s.Close()
		}
		return err
	}
	for _, test := range []struct {
		op  gate.Op
		to  gate.Destination
		why string
	}{
		{gate.OpForwardLocal, gate.Destination{Host: "localhost", Port: 80}, ""},
		{gate.OpForwardLocal, gate.Destination{Host: "localhost", Port: 81}, "no rule permits"},
		{gate.OpForwardLocal, gate.Destination{Host: "db.internal", Port: 80}, "no rule permits"},
		{gate.OpForwardUnix, gate.Destination{Path: "/run/docker.sock"}, ""},
		{gate.OpForwardUnix, gate.Destination{Path: "/tmp/s"}, "no rule permits"},
		{gate.OpForwardRemote, gate.Destination{Host: "localhost", Port: 8080}, ""},
		{gate.OpForwardRemote, gate.Destination{Host: "localhost", Port: 8081}, "no rule permits"},
		{gate.OpForwardRemote, gate.Destination{Host: "*", Port: 8080}, "no rule permits"},
		{gate.OpForwardRemote, gate.Destination{Path: "/tmp/s"}, ""},
	} {
		if err := open(test.op, test.to); (err == nil) != (test.why == "") || test.why != "" && !refusedWith(err, test.why) {
			t.Errorf("%s to %s: %v", test.op, test.to.Address(), err)
		}
	}
	ran := h.pods.ran()
	if len(ran) == 4 && (!ran[2].Forward.Listen || !ran[3].Forward.Listen || ran[3].Forward.Network != "unix" || ran[0].Forward.Listen) {
		t.Errorf("what listens: %+v", ran[2:])
	}
	if len(ran) != 4 || ran[0].Forward == nil || ran[0].Forward.Address != "localhost:80" || ran[1].Forward.Network != "unix" || len(ran[0].Command) > 0 || ran[0].Linger != 0 {
		t.Errorf("it ran %+v", ran)
	}
}

// What is none is a door's mistake, or its lie: it is not asked about, nor does it run.
func TestWhatIsNoForward(t *testing.T) {
	local, socket := string(gate.OpForwardLocal), string(gate.OpForwardUnix)
	to := gate.Destination{Host: "localhost", Port: 80}
	for name, q := range map[string]client.OpenRequest{
		"nowhere":       {Op: local},
		"no host":       {Op: local, Forward: gate.Destination{Port: 80}},
		"no port":       {Op: local, Forward: gate.Destination{Host: "localhost"}},
		"a long name":   {Op: local, Forward: gate.Destination{Host: strings.Repeat("a", 254), Port: 80}},
		"both":          {Op: local, Forward: gate.Destination{Host: "localhost", Port: 80, Path: "/s"}},
		"a port's path": {Op: socket, Forward: to},
		"a long path":   {Op: socket, Forward: gate.Destination{Path: "/" + strings.Repeat("a", 107)}},
		"a command too": {Op: local, Forward: to, Command: []byte("id")},
		"variables too": {Op: local, Forward: to, Env: [][]byte{[]byte("A=b")}},
		"a terminal":    {Op: local, Forward: to, Terminal: &client.Terminal{}},
		"an agent too":  {Op: local, Forward: to, AgentForward: true},
		"on nothing":    {Op: string(gate.OpForwardRemote)},
		"on both":       {Op: string(gate.OpForwardRemote), Forward: gate.Destination{Host: "localhost", Path: "/s"}},
		"of a command":  {Op: "exec", Forward: to, Command: []byte("id")},
	} {
		h := newHost(t)
		h.more(t, forwards)
		h.start(t)
		before := len(h.log.all())
		if _, err := h.connect(t, "demo", h.alice).Open(t.Context(), q); err == nil || len(h.pods.ran()) > 0 || len(h.log.all()) != before {
			t.Errorf("%s: %v, %v", name, err, h.pods.ran())
		}
	}
}

// What a session has said of an agent holds for the forwards of its connection, which bring no variables along. Control: another connection's is a person's.
func TestForwardsAreWhoseTheSessionsAre(t *testing.T) {
	h := newHost(t)
	h.more(t, forwards)
	h.start(t)
	forward := func(c *client.Client) error {
		s, err := c.Open(t.Context(), client.OpenRequest{Op: string(gate.OpForwardLocal), Forward: gate.Destination{Host: "localhost", Port: 80}, Alone: true})
		if err == nil {
			s.Close()
		}
		return err
	}
	marked := h.connect(t, "demo", h.alice)
	if _, err := marked.Open(t.Context(), client.OpenRequest{Op: "shell", Marks: [][]byte{[]byte("CLAUDECODE=1")}, Alone: true}); err == nil {
		t.Fatal("an agent is in production")
	}
	if err := forward(marked); !refusedWith(err, "agents work in forks") && !refusedWith(err, "no rule permits") {
		t.Errorf("beside an agent's session: %v", err)
	}
	if err := forward(h.connect(t, "demo", h.alice)); err != nil {
		t.Errorf("the control: %v", err)
	}
}

// A certificate lets one session in, and forwards beside it.
func TestForwardsBesideTheOneSession(t *testing.T) {
	h, w := attested(t)
	h.more(t, forwards)
	c, _, _ := h.comes(t, w, statement(), "demo")
	for _, q := range []client.OpenRequest{
		{Op: string(gate.OpForwardLocal), Forward: gate.Destination{Host: "localhost", Port: 80}, Alone: true},
		{Op: "shell", Alone: true},
		{Op: string(gate.OpForwardLocal), Forward: gate.Destination{Host: "localhost", Port: 80}, Alone: true},
	} {
		s, err := c.Open(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", q.Op, err)
		}
		s.Close()
	}
	if _, err := c.Open(t.Context(), client.OpenRequest{Op: "shell", Alone: true}); err == nil {
		t.Error("a second session")
	}
}
