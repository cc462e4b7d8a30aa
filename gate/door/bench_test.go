package door_test

import (
	"testing"
	"time"

	"forkgate/tests/need"
)

// A login with stock ssh costs no delayed acknowledgement (40 ms each) and no round trip that could be saved. The best of
// some rounds counts, so that a busy machine does not fail it.
func TestLoginLatency(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t)
	best := time.Hour
	for range 10 {
		begin := time.Now()
		if got := run(t, p.ssh("ssh", "-l", "demo", "host", "true"), ""); got.Code != 0 {
			t.Fatalf("%+v", got)
		}
		best = min(best, time.Since(begin))
	}
	t.Logf("ssh host true: %v", best)
	if best >= 40*time.Millisecond {
		t.Errorf("the best of ten logins took %v: something waits for a delayed acknowledgement", best)
	}
}
