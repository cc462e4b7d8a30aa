package door_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/tests/need"
)

// A crowd gets in at once, everybody to their own session, and leaves nothing behind.
func TestCrowd(t *testing.T) {
	t.Parallel()
	const crowd = 64
	p := open(t, func(_ *doortest.Warden, c *door.Config) { c.MaxPerSource = crowd })
	begin := time.Now()
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			c, err := p.tryDial(fmt.Sprintf("demo+%d", i), p.key)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			s, err := c.NewSession()
			if err != nil {
				t.Error(err)
				return
			}
			if out, err := s.CombinedOutput(fmt.Sprintf("echo %d", i)); string(out) != fmt.Sprintf("%d\n", i) {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
	all.Wait()
	t.Logf("%d logins in %v", crowd, time.Since(begin))
	users := map[string]bool{}
	for _, a := range p.warden.Seen().Asserted {
		users[string(a.User)] = true
	}
	if len(users) != crowd {
		t.Errorf("%d users of %d", len(users), crowd)
	}
	need.Eventually(t, "nothing is left", func() bool { return p.warden.Doors() == 0 && p.warden.Seen().Running == 0 })
}

// A door with several listeners ends when one of them fails, and says which.
func TestListenerFails(t *testing.T) {
	t.Parallel()
	p := open(t)
	var listeners []net.Listener
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, l)
	}
	listeners[1].Close()
	err := door.Serve(context.Background(), listeners, door.Config{Dial: door.DialSocket(p.warden.Path), Log: quiet, Grace: -1})
	if err == nil || !strings.HasPrefix(err.Error(), "cannot accept on "+listeners[1].Addr().String()) {
		t.Errorf("%v", err)
	}
	if c, err := net.Dial("tcp", listeners[0].Addr().String()); err == nil {
		c.Close()
		t.Error("the other listener is still open")
	}
}

func TestNoDial(t *testing.T) {
	t.Parallel()
	if err := door.Serve(context.Background(), nil, door.Config{}); err == nil {
		t.Error("a door without a warden opens")
	}
}
