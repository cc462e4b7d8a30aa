package door

import (
	"fmt"
	"strings"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// begin has notices for a session find it, until the returned function is called. Whoever calls it must be waited for in s.work.
func (s *session) begin() (end func()) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	id := s.id
	s.c.running[id] = s
	for _, text := range s.c.unheard {
		s.spawn(&s.work, func() { s.say(text) })
	}
	for _, n := range s.c.early {
		if n.Session == id {
			s.hear(n)
		}
	}
	s.c.unheard = nil
	return func() {
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		delete(s.c.running, id)
	}
}

// told tells the session's caller what is going on before it runs. It comes from the warden, in its own words, and does not wait for a
// client that reads nothing. It comes in the order of the calls, of which there are never two at a time: the warden's messages before its answer, and
// the session's own after that.
func (s *session) told(text string) {
	before, done := s.toldLast, make(chan struct{})
	s.toldLast = done
	s.spawn(&s.telling, func() {
		defer close(done)
		if before != nil {
			<-before
		}
		for line := range strings.Lines(text) {
			fmt.Fprintf(s.stderr(), "%s\n", gate.Printable(strings.TrimSuffix(line, "\n")))
		}
	})
}

// notice tells a session's caller what the warden has to say. It does not wait for a client that reads nothing. What comes before the session
// has begun waits for that.
func (c *connection) notice(n client.Notice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.running[n.Session]
	if !ok {
		if c.early = append(c.early, n); len(c.early) > maxUnheard {
			c.early = c.early[1:] // which was for one that is over
		}
		return
	}
	s.hear(n)
}

// hear is called with the connection's lock.
func (s *session) hear(n client.Notice) {
	switch {
	case !n.Agent:
		s.noticed.Store(true)
	case s.noAgent != nil:
		s.noAgent()
	}
	s.spawn(&s.work, func() { s.say(n.Text) })
}

func (s *session) say(text string) { fmt.Fprintf(s.stderr(), "forkgate: %s\n", gate.Printable(text)) }

// maxUnheard bounds what waits for a session to hear it.
const maxUnheard = 16

// tell tells the sessions of the connection something, or the first one that comes. It does not wait for a client that reads nothing.
func (c *connection) tell(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.running {
		s.spawn(&s.work, func() { s.say(text) })
	}
	if len(c.running) == 0 && len(c.unheard) < maxUnheard {
		c.unheard = append(c.unheard, text)
	}
}
