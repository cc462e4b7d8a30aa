package warden

import "time"

const (
	// leap is how far a clock may go ahead of the time that passes before what it says is doubted: it is set by a second or two all the time.
	leap = 5 * time.Minute
	// doubted is for how long.
	doubted = time.Hour
)

// clock notices when the host's clock goes ahead of the time that passes. Then it is wrong now, or was, and whose time seems to be over has been
// given none; an operator has an hour to put it right. A machine that slept looks the same.
type clock struct {
	wall  time.Time
	up    time.Duration
	until time.Duration
}

// look compares two clocks, the host's and one that only goes on, and returns by how much the first has gone ahead if that is a leap.
func (c *clock) look(wall time.Time, up time.Duration) (ahead time.Duration) {
	wall = wall.Round(0) // without the reading of the other one that Go keeps in it
	if !c.wall.IsZero() {
		ahead = wall.Sub(c.wall) - (up - c.up)
	}
	c.wall, c.up = wall, up
	if ahead < leap {
		return 0
	}
	c.until = up + doubted
	return ahead
}

// doubtful reports whether what the clock says is not to be acted upon.
func (c *clock) doubtful() bool { return c.up < c.until }
