package door_test

import (
	"strings"
	"sync"
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

// A warden that ends takes with it what waits, and that has not run. Of what was under way otherwise nobody knows how far it came.
func TestAWardenEndsWhileARequestIsUnderWay(t *testing.T) {
	const unknown = "forkgate: the gate was restarted before it answered, session "
	for name, c := range map[string]struct {
		tell     string
		approved bool
		code     int
		said     string
	}{
		"it waits":          {needs, false, gate.ExitRefused, "forkgate: the request is gone: the gate was restarted while it waited for approval\nhint: ask again"},
		"it waits no more":  {needs, true, gate.ExitFailed, unknown},
		"it has not waited": {"", false, gate.ExitFailed, unknown},
	} {
		judging, judged := make(chan struct{}), make(chan struct{})
		p := open(t, func(w *doortest.Warden, _ *door.Config) {
			w.Tell, w.Approved = c.tell, c.approved
			w.Judge = func(client.AssertRequest, client.OpenRequest) error {
				close(judging)
				<-judged
				return &gate.Refusal{Reason: "too late"}
			}
		})
		var stopping sync.WaitGroup
		stopping.Go(func() { <-judging; p.warden.Stop() }) // which hangs up, and waits for the one that judges
		got := run(t, p.ssh("ssh", "-l", "demo", "host", "id"), "")
		close(judged)
		stopping.Wait()
		if got.Code != c.code || got.Stdout != "" || !strings.Contains(got.Stderr, c.said) || c.code == gate.ExitFailed && strings.Contains(got.Stderr, "is gone") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
