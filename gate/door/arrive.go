package door

import (
	"context"
	"errors"
	"time"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// errUnwelcome is why a connection ends whose login the warden does not accept, and that has nothing open in which its client would hear why.
var errUnwelcome = errors.New("the warden does not accept the login")

// unwelcome is how long a client whose login is not accepted may take to ask for something, and to hear why.
const unwelcome = 5 * time.Second

// arrive has the warden know who has logged in, before the client hears that: from now on the connection counts among its principal's, and is idle
// while nothing goes by it, whether or not it ever opens anything. One that the warden does not accept keeps its place among those that have not
// logged in, and its source pays for it as for another try.
func (c *connection) arrive(who client.AssertRequest) {
	_, err := c.meet(who)
	if _, refused := gate.AsRefusal(err); !refused { // that the warden is not there is no fault of the client's
		c.authenticated()
		return
	}
	if c.charges(costFailed) {
		c.log.Info("a login is not accepted", "source", c.source, "error", gate.ForLog(err))
	}
}

// meet reports whether the connection could be a person's, and learns what it may have open. Where the warden does not say, it could be, and has one
// session, in which the client hears why.
func (c *connection) meet(who client.AssertRequest) (single bool, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, wardenTimeout)
	defer cancel()
	made, err := c.warden.assert(ctx, who)
	if err != nil {
		c.turnAway(err)
		made = client.AssertReply{Single: true, Bounds: client.Bounds{Sessions: 1}}
	}
	c.mu.Lock()
	c.bounds = made.Bounds
	c.mu.Unlock()
	c.watchIdle(made.Bounds.Idle)
	return made.Single, err
}

// ready is a warden that knows who speaks.
func (c *connection) ready(ctx context.Context, who client.AssertRequest) (Warden, error) {
	warden, err := c.warden.ready(ctx, who)
	if err != nil {
		c.turnAway(err)
	}
	return warden, err
}

// turnAway has the connection end, and ask the warden nothing more, if that is what the warden's answer means.
func (c *connection) turnAway(err error) {
	if _, refused := gate.AsRefusal(err); refused {
		c.warden.reject(err)
		c.ending.Do(func() { go c.endUnwelcome() })
	}
}

// endUnwelcome ends a connection that the warden does not accept, or does not know any more, as soon as nothing is open on it. What is open goes
// on: a restart of the warden ends no session.
func (c *connection) endUnwelcome() {
	defer c.survive("unwelcome")
	for sleep(c.ctx, unwelcome) {
		c.mu.Lock()
		empty := c.sessions+c.forwards == 0
		c.mu.Unlock()
		if empty {
			c.hangUp(errUnwelcome)
		}
	}
}
