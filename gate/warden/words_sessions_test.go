package warden

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/warden/client"
	"forkgate/tests/need"
)

// kills is what baseline.hcl says of ending sessions.
const kills = `
permit "people-end-their-sessions" {
  when = op == "kill" && caller.kind == "human" && request.asker == caller.principal
}
permit "agents-end-sessions-in-their-forks" {
  when = op == "kill" && caller.kind == "agent" && request.asker == caller.principal && target.fork && target.owner == caller.principal
}
`

// says has who say a control word.
func (h *host) says(t *testing.T, who ssh.PublicKey, words ...string) (string, error) {
	t.Helper()
	page, err := h.connect(t, "gate", who).Verb(t.Context(), client.VerbRequest{Words: say(words...), Alone: true})
	return string(page), err
}

// One sees and ends one's own sessions, and nobody else's; an agent none of a person of the same principal in production.
func TestSessionsAreListedAndEnded(t *testing.T) {
	h := newHost(t)
	h.text += kills
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	hers, his := h.sit(t, "demo", h.alice), h.sit(t, "demo+x", h.bob)
	list, err := h.says(t, h.alice, "sessions")
	if err != nil || !strings.Contains(list, hers.id) || strings.Contains(list, his.id) || !strings.Contains(list, "human alice  shell") {
		t.Errorf("she sees %q, %v", list, err)
	}
	if list, err := h.says(t, h.bob, "sessions", "demo"); err != nil || strings.Contains(list, hers.id) || strings.Contains(list, his.id) {
		t.Errorf("he sees in demo %q, %v", list, err)
	}
	if list, err := h.says(t, h.bob, "sessions", "demo:x", "--json"); err != nil || !strings.Contains(list, `"id":"`+his.id) && !strings.Contains(list, `"id": "`+his.id) {
		t.Errorf("he sees in his fork %q, %v", list, err)
	}
	for _, id := range []string{hers.id, "nothing"} {
		if _, err := h.says(t, h.bob, "kill", id); !refusedWith(err, "that is yours to end") {
			t.Errorf("%s: %v", id, err)
		}
	}
	if !h.alive(hers)[0] {
		t.Fatal("he ended hers")
	}
	if said, err := h.says(t, h.bob, "kill", his.id); err != nil || said != his.id+" has ended\n" {
		t.Errorf("%q, %v", said, err)
	}
	if n := <-his.heard; n.Text != "bob ended it" {
		t.Errorf("it hears %+v", n)
	}
	if said, err := h.says(t, h.alice, "kill", hers.id); err != nil || h.alive(hers)[0] {
		t.Errorf("%q, %v", said, err)
	}
	h.book().look(h.pods.lives)
	need.Eventually(t, "the record has both ends", func() bool {
		return h.log.has("ended bob on demo:x: false 0  bob ended it") && h.log.has("ended alice on demo: false 0  alice ended it")
	})
	for _, line := range []string{"forbid bob kill demo", "permit bob kill demo:x", "permit alice kill demo"} {
		if !h.log.has(line) {
			t.Errorf("the log lacks %q: %q", line, h.log.all())
		}
	}
	// Root ends what he likes.
	again := h.sit(t, "demo", h.alice)
	if _, err := dial(t, h.operator).OperatorVerb(t.Context(), client.VerbRequest{Words: say("kill", again.id)}); err != nil || h.alive(again)[0] {
		t.Errorf("the operator: %v", err)
	}
}

// An agent that speaks for the same principal as a person ends none of the person's sessions in production.
func TestAnAgentEndsNoPersonsSession(t *testing.T) {
	h := newHost(t)
	h.text += kills
	if err := h.rules.reload(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	hers := h.sit(t, "demo", h.alice)
	agent := h.connect(t, "gate", h.alice)
	_, err := agent.Verb(t.Context(), client.VerbRequest{Words: say("kill", hers.id), Alone: true, Marks: say("CLAUDECODE=1")})
	if !refusedWith(err, "that is yours to end") || !h.alive(hers)[0] {
		t.Errorf("%v", err)
	}
}
