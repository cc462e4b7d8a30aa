package audit

import (
	"fmt"
	"time"
)

// gap is what could not be written, since something could.
type gap struct {
	lines int
	since time.Time
}

func (g *gap) note(failed error, now time.Time) {
	if failed == nil {
		return
	}
	if g.lines == 0 {
		g.since = now
	}
	g.lines++
}

// tellGap says, as soon as something can be written again, that something could not.
func (l *Log) tellGap() error {
	if l.gap.lines == 0 {
		return nil
	}
	e := Entry{Event: EventGap, Count: l.gap.lines, Reason: "so many lines could not be written from " + l.gap.since.UTC().Format(time.RFC3339) +
		" on, and are not here: ends of sessions and commands of root among them, perhaps"}
	if err := l.appendLocked(&e); err != nil {
		return fmt.Errorf("cannot tell of a gap: %w", err)
	}
	l.gap = gap{}
	return nil
}
