package warden

import (
	"strings"
	"testing"

	"forkgate/gate/provenance"
	"forkgate/gate/warden/client"
	"forkgate/tests/keys"
)

func TestWhereATouchIsAskedFor(t *testing.T) {
	agent := statement()
	agent.Verdict, agent.Agent = provenance.ByAgent, "Claude Code"
	unverified := statement()
	unverified.Verdict = provenance.Unverified
	key := keys.NewSecurityKey(t).PublicKey()
	alices := marked("yubikey", "alice", key)
	for _, test := range []struct {
		name, policy, user string
		s                  provenance.Statement
		want               bool
	}{
		{"no security key", wantsTouch, "touch", statement(), false},
		{"control words", alices + wantsTouch, "gate", statement(), false},
		{"control words with a touch", alices, "touch", statement(), true},
		{"a repository where it makes no difference", alices, "demo", statement(), false},
		{"a repository where it does", alices + wantsTouch, "demo", statement(), true},
		{"a fork to be, where it does not", alices + wantsTouch, "demo+x", statement(), false},
		{"what does not exist", alices + wantsTouch, "nothing", statement(), false},
		{"no ref", alices + wantsTouch, "../x", statement(), false},
		{"another's key", marked("yubikey", "bob", key), "touch", statement(), false},
		{"an agent", alices, "touch", agent, false},
		{"unverified", alices, "touch", unverified, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, w := attested(t)
			h.more(t, test.policy)
			recorded := len(h.log.all())
			c, _, reply := h.comes(t, w, test.s, test.user)
			if reply.Touch != test.want {
				t.Errorf("asked %t", reply.Touch)
			}
			known, err := c.Identify(t.Context(), client.IdentifyRequest{Key: key.Marshal(), Touch: true})
			if want := strings.Contains(test.policy, alices); err != nil || known != want {
				t.Errorf("the key: %t, %v", known, err)
			}
			if len(h.log.all()) != recorded {
				t.Errorf("what was only thought of is in the record: %q", h.log.all())
			}
		})
	}
	t.Run("a bare key", func(t *testing.T) {
		h, _ := attested(t)
		h.more(t, alices)
		c := dial(t, h.door)
		reply, err := c.Assert(t.Context(), client.AssertRequest{User: []byte("touch"), Key: h.alice.Marshal(), SessionID: signHash(t, c)})
		if err != nil || reply.Touch {
			t.Errorf("asked %t, %v", reply.Touch, err)
		}
	})
}
