package door

import (
	"time"

	"golang.org/x/crypto/ssh"
)

// keepAlive asks the client now and then whether it is still there, and hangs up on one of which nothing at all has come for three times as
// long: its sessions would run on, and count, until the kernel gives the connection up. Not only the answer counts: on a slow line the question
// waits behind whatever is being downloaded, while the client says that it has read some of that. It ends with the connection.
func (c *connection) keepAlive(conn *ssh.ServerConn) {
	defer c.survive("keepalive")
	every := time.NewTicker(c.door.KeepAlive)
	defer every.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-every.C:
		}
		answered := make(chan error, 1)
		go func() {
			defer c.survive("keepalive")
			_, _, err := conn.SendRequest("keepalive@openssh.com", true, nil) // any answer will do
			answered <- err
		}()
		if !c.awaitSign(answered) {
			return
		}
	}
}

// awaitSign waits for the client's answer, for as long as anything comes of it.
func (c *connection) awaitSign(answered <-chan error) bool {
	asked := time.Now()
	silence := time.NewTimer(3 * c.door.KeepAlive)
	defer silence.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return false
		case err := <-answered:
			return err == nil
		case <-silence.C:
		}
		since := time.Since(later(asked, time.Unix(0, c.heard.Load())))
		if since >= 3*c.door.KeepAlive {
			c.hangUp(errSilent)
			return false
		}
		silence.Reset(3*c.door.KeepAlive - since)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
