package door_test

import (
	"net"
	"testing"
	"time"

	"forkgate/tests/need"
)

// TestQuickAck logs in with stock ssh at a door and, as the control, at one that cannot tell the kernel to acknowledge at once.
// There the client waits for delayed acknowledgements, 40 ms at least each (TCP_DELACK_MIN, include/net/tcp.h). Both meet the same
// load, so it is the difference that counts.
func TestQuickAck(t *testing.T) {
	need.Tools(t, "ssh")
	quick, slow := open(t), openBehind(t, func(l net.Listener) net.Listener { return plainListener{l} })
	const rounds, delayed = 8, 40 * time.Millisecond
	best := map[*place]time.Duration{quick: time.Hour, slow: time.Hour}
	for range rounds {
		for p := range best {
			begin := time.Now()
			if got := run(t, p.ssh("ssh", "-l", "demo", "host", "true"), ""); got.Code != 0 {
				t.Fatalf("%+v", got)
			}
			best[p] = min(best[p], time.Since(begin))
		}
	}
	t.Logf("ssh host true: %v, without quick acknowledgements %v", best[quick], best[slow])
	if best[slow]-best[quick] < delayed/2 {
		t.Errorf("a login took %v, and %v where acknowledgements are delayed: the door waits for them as well", best[quick], best[slow])
	}
}

// plainListener hides from the door that its connections are TCP.
type plainListener struct{ net.Listener }

func (l plainListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return struct{ net.Conn }{conn}, err
}
