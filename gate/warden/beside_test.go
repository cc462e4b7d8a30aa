package warden

import (
	"context"
	"slices"
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail"
)

// A forward that a person's connection was permitted ends when a session of it brings the mark of an agent. Control: without one it goes on, and so does
// another connection's.
func TestForwardsEndWhenAnAgentSpeaks(t *testing.T) {
	for name, marks := range map[string][]string{"an agent": {"CLAUDECODE=1"}, "a person": nil} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.more(t, forwards)
			h.start(t)
			c, other := h.connect(t, "demo", h.alice), h.connect(t, "demo", h.alice)
			var all []sitting
			for _, conn := range []*client.Client{c, other} {
				for _, q := range []client.OpenRequest{
					{Op: string(gate.OpForwardLocal), Forward: gate.Destination{Host: "localhost", Port: 80}},
					{Op: string(gate.OpForwardRemote), Forward: gate.Destination{Host: "localhost", Port: 8080}},
				} {
					s, err := conn.Open(t.Context(), q)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { s.Close() })
					all = append(all, sitting{id: s.ID})
				}
			}
			s, err := c.Open(t.Context(), client.OpenRequest{Op: "shell", Marks: say(marks...)})
			if err == nil {
				s.Close()
			}
			if want := []bool{marks == nil, marks == nil, true, true}; !slices.Equal(h.alive(all...), want) {
				t.Errorf("of the forwards live %v, not %v: %q", h.alive(all...), want, h.log.all())
			}
			revoked := slices.ContainsFunc(h.log.all(), func(l string) bool { return strings.HasPrefix(l, "revoked alice on demo: ") })
			if revoked != (marks != nil) {
				t.Errorf("the log: %q", h.log.all())
			}
		})
	}
}

// withAgents is a policy that lets ssh-agents in where no agent was.
const withAgents = `
permit "people-bring-their-agents" {
  when = caller.kind == "human" && op == "agent-forward" && target.fork && target.owner == caller.principal
}
forbid "not-where-agents-were" {
  when   = op == "agent-forward" && target.entered
  reason = "an agent has been here"
}
`

// brings opens a session with its caller's ssh-agent.
func (h *host) brings(t *testing.T, user string, marks ...string) (*client.Session, chan client.Notice) {
	t.Helper()
	c := h.connect(t, user, h.alice)
	heard := make(chan client.Notice, 8)
	c.Notify(func(n client.Notice) { heard <- n })
	s, err := c.Open(t.Context(), client.OpenRequest{Op: "shell", AgentForward: true, Marks: say(marks...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, heard
}

// A person's ssh-agent comes along where policy lets it, and leaves before an agent is in, or when the policy becomes another; the session goes on. An agent's
// own stays outside.
func TestAgentsComeAlong(t *testing.T) {
	h := newHost(t)
	var err error
	if h.Warden.pods.visits, err = openVisits(newPaper()); err != nil {
		t.Fatal(err)
	}
	h.gates[door].Forks = forks{h.trees, h.Warden.pods.visits}
	h.more(t, withAgents)
	h.start(t)
	hers, heard := h.brings(t, "demo+hers")
	beside, elsewhere := h.brings(t, "demo+beside")
	if hers.Agent == nil || hers.Said != "" || beside.Agent == nil || !h.pods.ran()[0].Agent {
		t.Fatalf("it stays outside: %q, %+v", hers.Said, h.pods.ran())
	}
	if s, _ := h.brings(t, "demo+hers", "CLAUDECODE=1"); s.Agent != nil || !strings.Contains(s.Said, "agent forwarding is refused: ") {
		t.Errorf("an agent's own: %v, %q", s.Agent != nil, s.Said)
	}
	if n := <-heard; n.Session != hers.ID || !n.Agent || n.Text != "your ssh-agent is not there any more: an agent has been here" {
		t.Errorf("she hears %+v", n)
	}
	h.becomes(t, strings.Replace(h.text, "op == \"agent-forward\" && target.fork", "op == \"agent-forward\" && target.grand", 1))
	if n := <-elsewhere; n.Session != beside.ID || !n.Agent || !strings.Contains(n.Text, "no rule permits") {
		t.Errorf("in the other fork she hears %+v", n)
	}
	if want := []bool{true, true}; !slices.Equal(h.alive(sitting{id: hers.ID}, sitting{id: beside.ID}), want) {
		t.Error("a session ended")
	}
	if revoked := slices.DeleteFunc(h.log.all(), func(l string) bool { return !strings.HasPrefix(l, "revoked alice on demo:") }); len(revoked) != 2 {
		t.Errorf("the log has %q", revoked)
	}
}

// A session whose door cannot be told to take the ssh-agent out ends with it.
func TestAnAgentWhoseDoorIsGone(t *testing.T) {
	h := newHost(t)
	h.more(t, withAgents)
	h.Warden.pods.visits = &visits{shelf: newPaper(), seen: map[string]visit{}}
	h.gates[door].Forks = forks{h.trees, h.Warden.pods.visits}
	h.start(t)
	s, _ := h.brings(t, "demo+hers")
	h.book().mu.Lock()
	h.book().all[s.ID].by = nil // another warden's
	h.book().mu.Unlock()
	h.brings(t, "demo+hers", "CLAUDECODE=1")
	if h.alive(sitting{id: s.ID})[0] {
		t.Error("it lives on with its ssh-agent")
	}
}

// A forward that is about to run when a session of its connection brings the mark of an agent is refused as an agent's. Control: without the mark it runs.
func TestAForwardThatAnAgentOvertakes(t *testing.T) {
	for name, marks := range map[string][]string{"an agent": {"CLAUDECODE=1"}, "a person": nil} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.more(t, forwards)
			theirs := make(chan *client.Client, 1)
			run := h.Warden.pods.exec
			h.Warden.pods.exec = func(ctx context.Context, dir, guid string, e nsjail.Exec) (*nsjail.Session, error) {
				if e.Forward != nil {
					c := <-theirs
					theirs <- c // a pod that does not run is started, and asked again
					if s, err := c.Open(ctx, client.OpenRequest{Op: "shell", Marks: say(marks...)}); err == nil {
						s.Close()
					}
				}
				return run(ctx, dir, guid, e)
			}
			h.start(t)
			c := h.connect(t, "demo", h.alice)
			theirs <- c
			s, err := c.Open(t.Context(), client.OpenRequest{Op: string(gate.OpForwardLocal), Forward: gate.Destination{Host: "localhost", Port: 80}})
			if err == nil {
				s.Close()
			}
			if refused := refusedWith(err, "no rule permits"); refused != (marks != nil) || !refused && err != nil {
				t.Errorf("%v", err)
			}
		})
	}
}
