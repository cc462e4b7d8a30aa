package door_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/gate/tape"
	"forkgate/gate/warden/client"
	"forkgate/tests/need"
)

// direct is direct-tcpip's data (RFC 4254 section 7.2).
type direct struct {
	Host       string
	Port       uint32
	Origin     string
	OriginPort uint32
}

// behind opens a door behind which there is something at an address.
func behind(t *testing.T, command string, change ...func(*doortest.Warden, *door.Config)) *place {
	t.Helper()
	return open(t, append(change, func(w *doortest.Warden, _ *door.Config) {
		w.There = func(address string) string {
			if address == "localhost:80" {
				return command
			}
			return ""
		}
	})...)
}

// A forward carries bytes both ways, each to its own end.
func TestAForwardCarries(t *testing.T) {
	p := behind(t, "tr a-z A-Z; echo and more")
	c := p.dial("demo")
	conn, err := c.Dial("tcp", "localhost:80")
	if err != nil {
		t.Fatal(err)
	}
	data := strings.Repeat("through ", 1<<17)
	go func() {
		_, _ = io.WriteString(conn, data)
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if want := strings.ToUpper(data) + "and more\n"; err != nil || string(got) != want {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	seen := p.warden.Seen().Opened
	if len(seen) != 1 || seen[0].Op != "forward-local" || seen[0].Forward != (gate.Destination{Host: "localhost", Port: 80}) {
		t.Errorf("the warden hears %+v", seen)
	}
	need.Eventually(t, "it is over inside", func() bool { return p.warden.Seen().Running == 0 })
}

// What is at the other end says why it is not, on one line; policy's reason is there for the client to show.
func TestAForwardThatIsNotOpened(t *testing.T) {
	p := behind(t, "cat", func(w *doortest.Warden, _ *door.Config) {
		w.Judge = func(_ client.AssertRequest, q client.OpenRequest) error {
			if q.Forward.Port == 81 {
				return &gate.Refusal{Reason: "port 81 is\nclosed", Hint: "ask"}
			}
			return nil
		}
	})
	c := p.dial("demo")
	for _, test := range []struct {
		to     direct
		reason ssh.RejectionReason
		text   string
	}{
		{direct{Host: "localhost", Port: 82}, ssh.ConnectionFailed, "connection refused"},
		{direct{Host: "localhost", Port: 81}, ssh.Prohibited, `port 81 is\nclosed (hint: ask)`},
		{direct{Host: "localhost", Port: 0}, ssh.Prohibited, "it leads nowhere"},
		{direct{Host: "localhost", Port: 65536 + 80}, ssh.ConnectionFailed, "malformed request"},
		{direct{Host: "", Port: 80}, ssh.Prohibited, "it leads nowhere"},
		{direct{Host: strings.Repeat("a", 300), Port: 80}, ssh.Prohibited, "a host's name has at most 253 bytes, this one has 300"},
	} {
		_, _, err := c.OpenChannel("direct-tcpip", ssh.Marshal(test.to))
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) || refused.Reason != test.reason || refused.Message != test.text {
			t.Errorf("%+v: %v", test.to, err)
		}
	}
	if _, err := p.dial("gate").Dial("tcp", "localhost:80"); err == nil || !strings.Contains(err.Error(), "gate is no repository") {
		t.Errorf("at gate@: %v", err)
	}
}

// A client that goes away, or closes the channel while the other side is silent, ends what carries it.
func TestAForwardEndsWithItsChannel(t *testing.T) {
	p := behind(t, "exec sleep 1000")
	c := p.dial("demo")
	for _, end := range []func(io.Closer){func(conn io.Closer) { conn.Close() }, func(io.Closer) { c.Close() }} {
		conn, err := c.Dial("tcp", "localhost:80")
		if err != nil {
			t.Fatal(err)
		}
		if p.warden.Seen().Running != 1 {
			t.Error("it does not run")
		}
		end(conn)
		need.Eventually(t, "it is over inside", func() bool { return p.warden.Seen().Running == 0 })
	}
}

// crowded counts how many are asked for at once.
type crowded struct {
	door.Warden
	now, most *atomic.Int32
}

func (c crowded) Open(ctx context.Context, q client.OpenRequest) (*client.Session, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for have := c.most.Load(); n > have && !c.most.CompareAndSwap(have, n); have = c.most.Load() {
	}
	time.Sleep(10 * time.Millisecond) // a warden that takes its time: without a bound all would be here
	return c.Warden.Open(ctx, q)
}

// Many that are opened at once are, all of them: they wait for each other, and the warden, which hangs up on who does not wait for it, is asked for a few.
func TestABurstOfForwards(t *testing.T) {
	var now, most atomic.Int32
	p := behind(t, "cat", func(_ *doortest.Warden, config *door.Config) {
		dial := config.Dial
		config.Dial = func(ctx context.Context) (door.Warden, error) {
			w, err := dial(ctx)
			return crowded{w, &now, &most}, err
		}
	})
	c := p.dial("demo")
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			conn, err := c.Dial("tcp", "localhost:80")
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "x")
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := most.Load(); n > 8 {
		t.Errorf("the warden was asked for %d at once", n)
	}
}

// A connection has so many forwards, and sessions beside them.
func TestSoManyForwards(t *testing.T) {
	p := behind(t, "exec sleep 1000")
	c := p.dial("demo")
	var last error
	n := 0
	for n = range 100 {
		if _, last = c.Dial("tcp", "localhost:80"); last != nil {
			break
		}
	}
	if last == nil || n != 64 || !strings.Contains(last.Error(), "at most 64 forwards") {
		t.Errorf("%d, %v", n, last)
	}
	if s, err := c.NewSession(); err != nil {
		t.Errorf("and no session: %v", err)
	} else if out, err := s.Output("echo in"); err != nil || string(out) != "in\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// How much a forward carries is on its tape; where that has to be, and cannot, it ends.
func TestAForwardIsRecorded(t *testing.T) {
	for _, test := range []struct {
		limit int64
		opens bool
	}{{1 << 20, true}, {10, false}} {
		p, cast := recordedAs(t, "required", test.limit)
		p.warden.There = func(string) string { return "tr a-z A-Z" }
		conn, err := p.dial("demo").Dial("tcp", "localhost:80")
		if !test.opens {
			if err == nil || !strings.Contains(err.Error(), "it has to be recorded, and cannot be") {
				t.Errorf("limit %d: %v", test.limit, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "hello")
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		got, _ := io.ReadAll(conn)
		if (string(got) == "HELLO") != test.opens {
			t.Errorf("limit %d: %q", test.limit, got)
		}
		need.Eventually(t, "it is over inside", func() bool { return p.warden.Seen().Running == 0 })
		var last tape.Carried
		need.Eventually(t, "the tape has its end", func() bool {
			text, err := os.ReadFile(cast)
			if err != nil {
				return false
			}
			last = tape.Carried{}
			r, err := tape.NewReader(strings.NewReader(`{"version":2}` + "\n" + string(text)))
			for err == nil {
				var e tape.Event
				if e, err = r.Next(); err == nil && e.Code == tape.Flow {
					last, err = e.Carried()
				}
			}
			return last.End
		})
		if last != (tape.Carried{In: 5, Out: 5, End: true}) {
			t.Errorf("it ends with %+v", last)
		}
	}
}
