package door

import (
	"context"

	"golang.org/x/crypto/ssh"
)

// maxWaiting is how many requests about the connection may wait for their answers. A client that sends more of them waits.
const maxWaiting = 64

// take takes in a request that concerns the connection as a whole. One that has something listen inside takes a while, and the protocol wants
// answers in the order of the requests: from the first of these on they are answered beside the reading of others.
//
// Of the promise that no session follows it is remembered that the client has given it: a stock ssh does right after it has opened its one
// session, unless it shares its connection with whoever asks (ControlMaster). It is refused, as requests and channels are handed out side by
// side, so that nobody can tell which sessions came before it.
func (c *connection) take(conn *ssh.ServerConn, r *ssh.Request) (ok bool, reply []byte) {
	if r.Type == "no-more-sessions@openssh.com" {
		c.promised.Do(func() { close(c.alone) })
	}
	if c.requests == nil && !takesLong(r.Type) {
		return c.answer(conn, r, nil)
	}
	if c.requests == nil && !c.beginAnswering(conn) {
		return false, nil
	}
	later := waiting{*r, make(chan struct{})}
	r.WantReply = false // it gets its reply there
	c.mu.Lock()
	c.latest = later.answered
	c.mu.Unlock()
	select {
	case c.requests <- later:
	case <-c.ctx.Done():
	}
	return false, nil
}

// waiting is a request that waits for its answer.
type waiting struct {
	ssh.Request
	answered chan struct{} // closed then
}

// caughtUp waits until all has been answered that the client had asked of the connection before. A session begins no sooner: with a command that is
// quick its client would have gone before it hears that something does not listen (ExitOnForwardFailure of ssh_config(5)).
func (c *connection) caughtUp(ctx context.Context) {
	c.mu.Lock()
	latest := c.latest
	c.mu.Unlock()
	if latest == nil {
		return
	}
	select {
	case <-latest:
	case <-ctx.Done():
	}
}

func takesLong(kind string) bool {
	return kind == "tcpip-forward" || kind == "streamlocal-forward@openssh.com"
}

// beginAnswering starts to answer requests one after the other, until the connection ends.
func (c *connection) beginAnswering(conn *ssh.ServerConn) bool {
	if c.holdOn() != nil {
		return false
	}
	c.requests = make(chan waiting, maxWaiting)
	go func() {
		defer c.letGo()
		defer c.survive("request")
		for {
			select {
			case <-c.ctx.Done():
				return
			case r := <-c.requests:
				ok, reply := c.answer(conn, &r.Request, r.answered)
				_ = r.Reply(ok, reply)
				close(r.answered)
			}
		}
	}()
	return true
}

// answer answers a request; answered is closed when the client has been sent that.
func (c *connection) answer(conn *ssh.ServerConn, r *ssh.Request, answered <-chan struct{}) (ok bool, reply []byte) {
	switch r.Type {
	case "keepalive@openssh.com":
		return true, nil
	case "tcpip-forward", "streamlocal-forward@openssh.com":
		return c.listen(conn, r, answered)
	case proveRequest:
		return c.prove(conn, r.Payload)
	case "cancel-tcpip-forward", "cancel-streamlocal-forward@openssh.com":
		return c.stopListening(r), nil
	}
	return false, nil
}
