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
	return func() {
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		delete(s.c.running, id)
	}
}

// told tells the session's caller what is going on before it runs. It comes from the warden, in its own words, and does not wait for a
// client that reads nothing.
func (s *session) told(text string) {
	s.spawn(&s.telling, func() {
		for line := range strings.Lines(text) {
			fmt.Fprintf(s.stderr(), "%s\n", gate.Printable(strings.TrimSuffix(line, "\n")))
		}
	})
}

// notice tells a session's caller what the warden has to say. It does not wait for a client that reads nothing.
func (c *connection) notice(n client.Notice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.running[n.Session]
	if !ok {
		return
	}
	s.noticed.Store(true)
	s.spawn(&s.work, func() { fmt.Fprintf(s.stderr(), "forkgate: %s\n", gate.Printable(n.Text)) })
}
