package warden

import (
	"sync"

	"forkgate/gate/warden/client"
)

// audience are the connections that there are.
type audience struct {
	mu   sync.Mutex
	here map[*connection]struct{}
}

// join counts a connection in, until the returned function is called.
func (a *audience) join(c *connection) (leave func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.here == nil {
		a.here = map[*connection]struct{}{}
	}
	a.here[c] = struct{}{}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.here, c)
	}
}

// tell tells every session that was opened in a tree something, and reports how many there are; some may have ended. It waits for no
// door: each connection waits for what it has to say before it ends.
func (a *audience) tell(guid, text string) (told int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.here {
		for _, session := range c.sessionsIn(guid) {
			told++
			c.saying.Go(func() { c.say(client.Notice{Session: session, Text: text}) })
		}
	}
	return told
}

// tellOne tells one session something, if its connection is there. Nobody waits for the door.
func (a *audience) tellOne(session, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.here {
		if c.has(session) {
			c.saying.Go(func() { c.say(client.Notice{Session: session, Text: text}) })
		}
	}
}

func (c *connection) has(session string) bool {
	c.opening.Lock()
	defer c.opening.Unlock()
	_, ok := c.opened[session]
	return ok
}

// sessionsIn lists the sessions that were opened in a tree by way of this connection.
func (c *connection) sessionsIn(guid string) (names []string) {
	c.opening.Lock()
	defer c.opening.Unlock()
	for name, b := range c.opened {
		if b.guid == guid {
			names = append(names, name)
		}
	}
	return names
}

func (c *connection) say(n client.Notice) {
	c.sending.Lock()
	defer c.sending.Unlock()
	if err := c.conn.Send(0, client.TypeNotice, n); err != nil {
		c.journal.Info("a notice did not reach its session", "session", n.Session, "error", err)
	}
}
