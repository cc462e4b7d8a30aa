package door_test

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/warden/client"
	"forkgate/tests/need"
)

func single(w *doortest.Warden, _ *door.Config) { w.Single = true }

// A connection that could be a person's has one session in its whole life, and ends with it; so do forwards beside it, about which the warden is asked.
func TestASingleConnectionHasOneSession(t *testing.T) {
	t.Parallel()
	c := open(t, single, func(w *doortest.Warden, _ *door.Config) {
		w.There = func(string) string { return "exec sleep 1000" }
	}).dial("demo")
	first, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start("cat"); err != nil {
		t.Fatal(err)
	}
	var refused *ssh.OpenChannelError
	if _, err := c.NewSession(); !errors.As(err, &refused) || refused.Reason != ssh.ResourceShortage {
		t.Errorf("a second session: %v", err)
	}
	forward, err := c.Dial("tcp", "127.0.0.1:22")
	if err != nil {
		t.Fatalf("a forward: %v", err)
	}
	stdin.Close()
	if err := first.Wait(); err != nil {
		t.Errorf("the session: %v", err)
	}
	first.Close()
	if rest, err := io.ReadAll(forward); err != nil || len(rest) > 0 {
		t.Errorf("the forward goes on: %q, %v", rest, err)
	}
	if err := c.Wait(); err != nil && !errors.Is(err, io.EOF) {
		t.Logf("the connection ended with %v", err)
	}
}

// Who has closed the one session hangs up: the gate waits for that, as a client may else say that the connection broke. Nothing begins there meanwhile.
func TestTheClientHangsUp(t *testing.T) {
	t.Parallel()
	p := open(t, single)
	c := p.dial("demo")
	first, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Run("true"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Errorf("hung up on before the client has noticed that all is over: %v", err)
	}
	const one = "this connection carries one session"
	need.Eventually(t, "a forward is refused in a connection that is over", func() bool {
		_, err := c.Dial("tcp", "127.0.0.1:22")
		return err != nil && strings.Contains(err.Error(), one)
	})
	before := len(p.warden.Seen().Opened)
	if _, err := c.NewSession(); err == nil || !strings.Contains(err.Error(), one) {
		t.Errorf("a session in a connection that is over: %v", err)
	}
	if _, err := c.Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("something listens for a connection that is over")
	}
	if opened := p.warden.Seen().Opened[before:]; len(opened) > 0 {
		t.Errorf("the warden was asked to open %+v", opened)
	}
}

// A session that was opened and never used, or refused, was the one as well.
func TestTheOneSessionIsTheFirst(t *testing.T) {
	t.Parallel()
	c := open(t, single).dial("demo")
	first, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.NewSession(); err == nil {
		t.Error("a second session beside one in which nothing runs")
	}
	first.Close()
	c.Wait()
	if _, err := c.NewSession(); err == nil {
		t.Error("a second session after the first")
	}
}

// riders are what somebody on the person's machine does with the socket of the person's ControlMaster. The rider has no key.
var riders = []struct {
	name   string
	master []string // how the person connects
	rider  []string
}{
	{"a second session", []string{"-fM", "host", "sleep 20"}, []string{"host", "id"}},
	{"-N first", []string{"-fNM", "host"}, []string{"host", "id"}},
	{"ControlPersist", []string{"-M", "-o", "ControlPersist=yes", "host", "true"}, []string{"host", "id"}},
	{"-W", []string{"-fNM", "host"}, []string{"-W", "127.0.0.1:22", "host"}},
	{"-O forward", []string{"-fNM", "host"}, []string{"-O", "forward", "-R", "0:127.0.0.1:22", "host"}},
	{"sftp", []string{"-fNM", "host"}, []string{"-s", "host", "sftp"}},
}

// ride has the person connect and the rider ride, and returns what the rider got, and the sessions that were opened.
func (p *place) ride(t *testing.T, master, rider []string) (outcome, []client.OpenRequest) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "mux")
	if got := run(t, p.ssh("ssh", append([]string{"-l", "demo", "-S", socket}, master...)...), ""); got.Code != 0 {
		t.Fatalf("the person: %+v", got)
	}
	t.Cleanup(func() { _ = p.ssh("ssh", "-S", socket, "-O", "exit", "host").Run() }) // it may be gone
	before := len(p.warden.Seen().Opened)
	// What the socket does not give, a connection of its own would: but in the rider's directory there is no key.
	got := run(t, openSSH(t, t.TempDir(), p.addr, "ssh", append([]string{"-l", "demo", "-S", socket, "-o", "ControlMaster=no"}, rider...)...), "")
	return got, p.warden.Seen().Opened[before:]
}

func TestRiders(t *testing.T) {
	need.Tools(t, "ssh")
	// This is what the warden does with what is promised, or is not.
	person := func(_ client.AssertRequest, q client.OpenRequest) error {
		if !q.Alone {
			return &gate.Refusal{Reason: "an agent"}
		}
		return nil
	}
	for _, r := range riders {
		t.Run(r.name, func(t *testing.T) {
			p := open(t, single, func(w *doortest.Warden, _ *door.Config) {
				w.Judge = func(who client.AssertRequest, q client.OpenRequest) error {
					if len(q.Command) > 0 && string(q.Command) != "id" { // the person's own
						return nil
					}
					return person(who, q)
				}
			})
			if got, _ := p.ride(t, r.master, r.rider); got.Code == 0 || strings.Contains(got.Stdout, "uid=") {
				t.Errorf("the rider gets %+v", got)
			}
			for _, opened := range p.warden.Seen().Opened {
				if opened.Alone {
					t.Errorf("a connection that is shared counts as alone: %+v", opened)
				}
			}
		})
	}
	t.Run("controls", func(t *testing.T) {
		// The ride is one where a connection could be nobody's but an agent's.
		p := open(t)
		for _, r := range riders[:3] {
			if got, opened := p.ride(t, r.master, r.rider); got.Code != 0 || !strings.Contains(got.Stdout, "uid=") || len(opened) != 1 {
				t.Errorf("%s does not work where nothing is in its way: %+v", r.name, got)
			}
		}
		// And a person who shares with nobody is alone, whatever is run.
		p = open(t, single, func(w *doortest.Warden, _ *door.Config) { w.Judge = person })
		for _, args := range [][]string{{"host", "id"}, {"-T", "host"}, {"-tt", "host", "id"}, {"-s", "host", "sftp"}, {"-o", "ControlPath=none", "host", "id"}} {
			if got := run(t, p.ssh("ssh", append([]string{"-l", "demo"}, args...)...), ""); got.Code != 0 {
				t.Errorf("ssh %q: %+v", args, got)
			}
		}
	})
}

// A connection is worth no more than the session that it was opened for: with ControlPersist too it is gone afterwards.
func TestNothingPersists(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t, single)
	socket := filepath.Join(t.TempDir(), "mux")
	if got := run(t, p.ssh("ssh", "-l", "demo", "-S", socket, "-M", "-o", "ControlPersist=yes", "host", "true"), ""); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	need.Eventually(t, "the master is gone", func() bool { return p.ssh("ssh", "-S", socket, "-O", "check", "host").Run() != nil })
}
