package door_test

import (
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/warden/client"
	"forkgate/tests/need"
)

const needs = "forkgate: demo needs a person's approval\nhint: ask \x1b[31m somebody\n"

// While a session waits its caller sees why, on standard error alone, whatever the client is; and then how that ended.
func TestWhoWaitsSeesWhy(t *testing.T) {
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Tell = needs
		w.Judge = func(client.AssertRequest, client.OpenRequest) error { return &gate.Refusal{Reason: "nobody approved"} }
	})
	const want = "forkgate: demo needs a person's approval\nhint: ask \\x1b[31m somebody\nforkgate: nobody approved\n"
	got := run(t, p.ssh("ssh", "-l", "demo", "host", "id"), "")
	if got.Code != gate.ExitRefused || got.Stdout != "" || got.Stderr != want {
		t.Errorf("ssh: %+v", got)
	}
	got = run(t, p.ssh("ssh", "-tt", "-l", "demo", "host", "id"), "")
	if seen := got.Stdout + got.Stderr; got.Code != gate.ExitRefused || !strings.Contains(seen, strings.ReplaceAll(want, "\n", "\r\n")) {
		t.Errorf("ssh -tt: %+v", got)
	}
}

// A client that closes its channel while it waits is given up, though the connection stays.
func TestAClosedChannelIsGivenUp(t *testing.T) {
	judging, judged := make(chan struct{}), make(chan struct{})
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		w.Judge = func(client.AssertRequest, client.OpenRequest) error {
			close(judging)
			<-judged
			return &gate.Refusal{Reason: "too late"}
		}
	})
	c := p.dial("demo")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("id"); err != nil {
		t.Fatal(err)
	}
	<-judging
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	need.Eventually(t, "the session has ended", func() bool { return strings.Contains(p.log.String(), "session ended") })
	close(judged) // from here on the fake warden listens again
	need.Eventually(t, "the warden is told", func() bool { return p.warden.Seen().GaveUp == 1 })
	if ok, _, err := c.SendRequest("keepalive@openssh.com", true, nil); !ok || err != nil {
		t.Errorf("the connection has ended: %v, %v", ok, err)
	}
}
