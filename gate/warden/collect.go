package warden

import (
	"context"
	"errors"
	"fmt"
	"time"

	"forkgate/fork"
	"forkgate/gate"
)

const (
	// collecting is how often forks are looked at: none of them costs more than a look at memory.
	collecting = 2 * time.Second
	// warning is how long before its end those in a fork hear of it, and a quarter of its time at most.
	warning = 10 * time.Minute
	// retrying is how long a fork is left alone that could not be removed: each attempt is a line of the audit log.
	retrying = time.Minute
)

// collector removes forks whose time is over. There is none for repositories.
type collector struct {
	*Warden
	told map[string]time.Time // by GUID: the end that those inside have heard of
	next map[string]time.Time // by GUID: when one that could not be removed is tried again

	noted map[string]time.Time // by GUID: when it was tried in vain to write down that it is used
}

func newCollector(w *Warden) collector {
	return collector{w, map[string]time.Time{}, map[string]time.Time{}, map[string]time.Time{}}
}

// collect removes forks whose time is over once nobody has a session in them, tells those who have, and renews those that are used and may be, until
// ctx ends.
func (w *Warden) collect(ctx context.Context) {
	c, began := newCollector(w), time.Now()
	var watched clock
	for pause(ctx, collecting) {
		now := w.now()
		if ahead := watched.look(now, time.Since(began)); ahead > 0 {
			w.doubt(ahead)
		}
		if !watched.doubtful() {
			c.look(ctx, now)
		}
	}
}

// doubt says that no fork goes for the next hour.
func (w *Warden) doubt(ahead time.Duration) {
	what := fmt.Sprintf("the clock went ahead by %s: no fork is removed for its time during the next %s", gate.Span(ahead.Round(time.Second)), gate.Span(doubted))
	w.journal.Error(what)
	if err := w.log.Service(what); err != nil {
		w.journal.Error("that the clock went ahead is not in the audit log", "error", err)
	}
}

func (c collector) look(ctx context.Context, now time.Time) {
	for _, t := range c.trees.Forks("") {
		inside := c.pods.sessions.in(t.GUID)
		c.note(t, inside)
		if t.Expires.IsZero() {
			continue
		}
		switch left := t.Expires.Sub(now); {
		case inside && t.Limits.Renew:
			c.renew(t, now)
		case inside:
			c.warn(t, left)
		case left <= 0 && !now.Before(c.next[t.GUID]):
			c.next[t.GUID] = now.Add(retrying)
			c.remove(ctx, t)
		}
	}
}

// renew has the time of a fork that is used begin again, not more often than each hundredth of it: that is written to the disk.
func (c collector) renew(t fork.Tree, now time.Time) {
	if gained := t.Limits.Expiry(now).Sub(t.Expires); gained < t.Limits.Life()/100 {
		return
	}
	if _, err := c.trees.Extend(t.GUID); err != nil {
		c.journal.Error("cannot renew a fork that is used", "ref", t.Ref(), "error", err)
	}
}

// warn tells those in a fork of its end, once.
func (c collector) warn(t fork.Tree, left time.Duration) {
	if left > min(warning, t.Limits.Life()/4) || c.told[t.GUID].Equal(t.Expires) {
		return
	}
	c.told[t.GUID] = t.Expires
	c.audience.tell(t.GUID, fmt.Sprintf("%s is kept until %s, and removed then as soon as nobody is in it; ssh gate@host extend %s keeps it longer, if policy lets you",
		t.Ref(), t.Expires.Format(time.RFC3339), t.Ref()))
}

// remove removes a fork whose time is over.
func (c collector) remove(ctx context.Context, t fork.Tree) {
	switch err := c.retire(ctx, t, "its time was over at "+t.Expires.Format(time.RFC3339)); {
	case errors.Is(err, errInUse):
		delete(c.next, t.GUID)
	case err != nil:
		c.journal.Error("cannot remove a fork whose time is over", "ref", t.Ref(), "error", err)
	default:
		delete(c.told, t.GUID)
		delete(c.next, t.GUID)
	}
}

// noting is how far what is written of the last use of a fork may be behind.
const noting = 10 * time.Minute

// note writes down when a fork was used last, if that is news.
func (c collector) note(t fork.Tree, inside bool) {
	if inside {
		c.pods.used(t.GUID)
	}
	last := c.pods.lastUse(t)
	if last.Sub(t.Used) < noting || last.Equal(t.Made) {
		return
	}
	if time.Since(c.noted[t.GUID]) < retrying {
		return
	}
	if _, err := c.trees.Use(t.GUID, last); err != nil && !errors.Is(err, fork.ErrNotFound) {
		c.noted[t.GUID] = time.Now()
		c.journal.Error("cannot write down that a fork is used", "ref", t.Ref(), "error", err)
	}
}
