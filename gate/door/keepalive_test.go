package door_test

import (
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
	"forkgate/tests/need"
)

// A client that answers no question, but of which something comes, is there: on a slow line the question waits behind what is being
// downloaded. When nothing comes any more it is gone.
func TestWhatComesIsASignOfLife(t *testing.T) {
	t.Parallel()
	const every = time.Second
	p := open(t, func(_ *doortest.Warden, c *door.Config) { c.KeepAlive = every })
	r := dialRaw(t, p.addr)
	if !r.prove("demo", p.key, p.key) {
		t.Fatal("not let in")
	}
	r.open()
	r.request("exec", ssh.Marshal(execReq{"sleep 1000"}))
	need.Eventually(t, "the session runs", func() bool { return p.warden.Seen().Running == 1 })
	for end := time.Now().Add(5 * every); time.Now().Before(end); time.Sleep(every / 4) {
		r.send(ssh.Marshal(struct {
			Channel uint32 `sshtype:"93"`
			More    uint32
		}{0, 1}))
	}
	if p.warden.Seen().Running != 1 {
		t.Error("the session has ended")
	}
	need.Eventually(t, "the session of a silent client has ended", func() bool { return p.warden.Seen().Running == 0 })
}

// A client that opens nothing is asked as well. Control: one that answers stays.
func TestWhoOpensNothingIsAsked(t *testing.T) {
	t.Parallel()
	p := open(t, func(_ *doortest.Warden, c *door.Config) { c.KeepAlive = time.Second })
	r := dialRaw(t, p.addr)
	if !r.prove("demo", p.key, p.key) {
		t.Fatal("not let in")
	}
	answers := p.dial("demo")
	begin := time.Now()
	for {
		if _, err := r.read(); err != nil {
			break
		}
	}
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("it was there for %v", took)
	}
	if _, _, err := answers.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Errorf("who answers: %v", err)
	}
}
