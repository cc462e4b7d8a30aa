package warden

import (
	"context"
	"sync"

	"forkgate/gate/warden/client"
)

// audience are the connections that there are.
type audience struct {
	mu     sync.Mutex
	here   map[*connection]struct{}
	missed map[string]string // by session: what it may not have been told, as its connection is another warden's, or its end came first
}

// maxMissed bounds what is kept for doors that may never ask.
const maxMissed = 1024

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

// tellOne tells one session why it is ended. Nobody waits for the door, which asks as well: its connection may be another warden's, and the end may
// be there before the notice is. It is told once: who ends a session may have to try again.
func (a *audience) tellOne(session, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.missed[session] == text {
		return
	}
	for c := range a.here {
		if c.has(session) {
			c.saying.Go(func() { c.say(client.Notice{Session: session, Text: text}) })
		}
	}
	if a.missed == nil || len(a.missed) >= maxMissed {
		a.missed = map[string]string{}
	}
	a.missed[session] = text
}

// tellIn tells those who are in a tree why that ends.
func (w *Warden) tellIn(guid, text string) {
	for _, l := range w.pods.sessions.list() {
		if l.Asked.Target.GUID == guid {
			w.audience.tellOne(l.ID, text)
		}
	}
}

// takeBack has those in a tree that does not end after all hear nothing of it when they end.
func (w *Warden) takeBack(guid string) {
	for _, l := range w.pods.sessions.list() {
		if l.Asked.Target.GUID == guid {
			w.audience.forget(l.ID)
		}
	}
}

func (a *audience) forget(session string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.missed, session)
}

// ended says why a session was ended, to the door that has it; which knows its name, and nobody else does.
func ended(_ context.Context, r *request, q client.EndedRequest) (answer, error) {
	r.audience.mu.Lock()
	defer r.audience.mu.Unlock()
	why := r.audience.missed[q.Session]
	delete(r.audience.missed, q.Session)
	return answer{body: client.EndedReply{Why: why}}, nil
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
