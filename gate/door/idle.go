package door

import (
	"errors"
	"io"
	"time"

	"forkgate/gate"
)

// errIdle says that nothing has gone by a connection for as long as policy lets it be.
var errIdle = errors.New("nothing has gone by this connection for too long")

// farewell is how long the sessions have to hear why their connection ends.
const farewell = time.Second

// stirring notes that something goes by its connection. Keepalives do not come by here.
type stirring struct {
	c    *connection
	from io.Reader
}

func (s stirring) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if n > 0 {
		s.c.stir()
	}
	return n, err
}

func (c *connection) stir() { c.stirred.Store(time.Now().UnixNano()) }

// watchIdle ends the connection when nothing has gone by it for that long; never, for 0. The first call counts.
func (c *connection) watchIdle(limit time.Duration) {
	if limit == 0 {
		return
	}
	c.idling.Do(func() {
		c.stir()
		go func() {
			defer c.survive("idle")
			for rest := limit; rest > 0; rest = limit - time.Since(time.Unix(0, c.stirred.Load())) {
				if !sleep(c.ctx, rest) {
					return
				}
			}
			c.tell("nothing has gone by this connection for " + gate.Span(limit) + ", which is the limit: it ends")
			sleep(c.ctx, farewell)
			c.hangUp(errIdle)
		}()
	})
}
