package pod

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
	"forkgate/tests/need"
)

// dials runs a session that is a forward, with nothing to send.
func (p *testPod) dials(t *testing.T, network, address string) (string, wire.Exit) {
	t.Helper()
	return p.exec(t, nsjail.Exec{
		Session: fmt.Sprint(time.Now().UnixNano()), Home: "alice.agent", Forward: &wire.Forward{Network: network, Address: address},
	})
}

// A forward reaches what a command in its place would: the pod's own ports and sockets, and neither the host's nor another's.
func TestAForwardLeadsInside(t *testing.T) {
	p := startPod(t)
	inside := func(command string) {
		t.Helper()
		background(t, p, command)
	}
	inside("while :; do echo from inside | busybox nc -l -p 9000; done")
	need.Eventually(t, "the pod's port answers", func() bool {
		out, exit := p.dials(t, "tcp", "127.0.0.1:9000")
		return out == "from inside\nconnected\n" && exit.Code == 0
	})
	if out, exit := p.dials(t, "tcp", "127.0.0.1:9001"); out != "connection refused" || exit.Code != 1 {
		t.Errorf("a port that nobody hears on: %q, %+v", out, exit)
	}
	if out, _ := p.dials(t, "tcp", "no-such-host.invalid:80"); !strings.Contains(out, "host") && !strings.Contains(out, "looked up") {
		t.Errorf("a name that there is none of: %q", out)
	}
	if out, _ := p.dials(t, "unix", "/nowhere"); out != "no such file or directory" {
		t.Errorf("a socket that there is none of: %q", out)
	}

	// The host's own: a port on its loopback, and a socket that lies where the pod's directory does.
	host, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer host.Close()
	if out, _ := p.dials(t, "tcp", host.Addr().String()); strings.Contains(out, "connected") {
		t.Error("a port of the host's is reached")
	}
	path := filepath.Join(t.TempDir(), "s")
	socket, err := net.Listen("unix", path)
	must(t, err)
	defer socket.Close()
	if out, _ := p.dials(t, "unix", path); strings.Contains(out, "connected") {
		t.Error("a socket of the host's is reached")
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the control: %v", err)
	} else {
		c.Close()
	}
}

// background runs a command in the pod until the test is over.
func background(t *testing.T, p *testPod, command string) {
	t.Helper()
	s, err := nsjail.Run(t.Context(), p.run, p.guid, nsjail.Exec{Session: fmt.Sprint(time.Now().UnixNano()), Home: "alice.agent", Command: []byte(command)})
	must(t, err)
	t.Cleanup(s.Close)
}
