package door

import (
	"time"

	"golang.org/x/crypto/ssh"
)

// keepAlive asks the client now and then whether it is still there, and hangs up on one that has not answered for three times as
// long: its sessions would run on, and count, until the kernel gives the connection up. It ends with the connection.
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
		select {
		case <-c.ctx.Done():
			return
		case err := <-answered:
			if err != nil {
				return
			}
		case <-time.After(3 * c.door.KeepAlive):
			c.hangUp(errSilent)
			return
		}
	}
}
