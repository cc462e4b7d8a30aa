package door

import (
	"context"
	"errors"
	"time"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// errUnwelcome is why a connection ends whose login the warden does not accept, and that has opened nothing in which its client would hear why.
var errUnwelcome = errors.New("the warden does not accept the login")

// arrive has the warden know who has logged in, before the client hears that: from now on the connection counts among its principal's, and is idle
// while nothing goes by it, whether or not it ever opens anything.
func (c *connection) arrive(who client.AssertRequest) {
	_, err := c.meet(who)
	if err == nil {
		return
	}
	c.log.Info("a login is not accepted", "source", c.source, "error", gate.Printable(err.Error()))
	time.AfterFunc(c.door.HandshakeTimeout, func() {
		if !c.warden.knows() {
			c.hangUp(errUnwelcome)
		}
	})
}

// meet reports whether the connection could be a person's, and learns what it may have open. Where the warden does not say, it could be, and has one
// session, in which the client hears why.
func (c *connection) meet(who client.AssertRequest) (single bool, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, wardenTimeout)
	defer cancel()
	made, err := c.warden.assert(ctx, who)
	if err != nil {
		made = client.AssertReply{Single: true, Bounds: client.Bounds{Sessions: 1}}
	}
	c.mu.Lock()
	c.bounds = made.Bounds
	c.mu.Unlock()
	c.watchIdle(made.Bounds.Idle)
	return made.Single, err
}
