package door

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/warden/client"
)

// strangers are connections that came to nothing, since somebody was told of them last.
type strangers struct {
	mu    sync.Mutex
	since client.StrangersRequest
	last  netip.AddrPort // one of them, for the log
}

func (s *strangers) count(source netip.AddrPort, which func(*client.StrangersRequest) *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*which(&s.since)++
	s.last = source
}

// take returns what there has been, and begins anew.
func (s *strangers) take() (since client.StrangersRequest, last netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, s.since = s.since, client.StrangersRequest{}
	return since, s.last
}

// giveBack is for what nobody could be told of.
func (s *strangers) giveBack(q client.StrangersRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since.Failed += q.Failed
	s.since.Idle += q.Idle
	s.since.Nonsense += q.Nonsense
	s.since.Slow += q.Slow
	s.since.TurnedAway += q.TurnedAway
}

// charge has the source of a connection that came to nothing pay for it, unless it is the gate's own doing. It is for the goroutine of the
// handshake. It reports whether that is worth a line in the log: of a source that pays already the summary tells.
func (c *connection) charge(err error) (worthSaying bool) {
	cost, which := c.doing(err)
	if which != nil {
		c.door.strangers.count(c.source, which)
	}
	return c.charges(cost)
}

// charges has the source pay, and reports whether it owed nothing before.
func (c *connection) charges(cost time.Duration) (first bool) {
	now := time.Now()
	first = c.door.penalties.standing(c.source.Addr(), 1, now).haste == 1
	if cost > 0 {
		c.door.penalties.charge(c.source.Addr(), cost, now)
	}
	return first
}

// doing tells what a connection did that came to nothing.
func (c *connection) doing(err error) (cost time.Duration, which func(*client.StrangersRequest) *int) {
	var denied *ssh.ServerAuthError
	switch cause := context.Cause(c.ctx); {
	case c.ourFault, errors.Is(cause, errDoorClosed):
		return 0, nil
	case errors.Is(cause, errTooSlow):
		return costSlow, func(q *client.StrangersRequest) *int { return &q.Slow }
	case !errors.Is(cause, errCrowded) && (c.offer != nil || c.tries > 0):
		return costFailed, func(q *client.StrangersRequest) *int { return &q.Failed }
	case errors.Is(cause, errCrowded), errors.As(err, &denied), isGone(err):
		return costIdle, func(q *client.StrangersRequest) *int { return &q.Idle }
	}
	return costNonsense, func(q *client.StrangersRequest) *int { return &q.Nonsense }
}

// isGone tells that a client went away.
func isGone(err error) bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// report tells the log and the warden now and then of strangers: one line for all of them. It ends with ctx.
func (d *door) report(ctx context.Context) {
	every := time.NewTicker(d.Report)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			d.tellOfStrangers(ctx)
		}
	}
}

func (d *door) tellOfStrangers(ctx context.Context) {
	q, last := d.strangers.take()
	some := q != client.StrangersRequest{}
	q.Penalized, q.Goroutines = d.penalties.penalized(time.Now()), runtime.NumGoroutine()
	d.mu.Lock()
	q.Connections = len(d.open)
	d.mu.Unlock()
	if some {
		d.Log.Warn("connections came to nothing", "failed", q.Failed, "idle", q.Idle, "nonsense", q.Nonsense, "slow", q.Slow,
			"turned_away", q.TurnedAway, "penalized_sources", q.Penalized, "one_of_them", last)
	}
	ctx, cancel := context.WithTimeout(ctx, wardenTimeout)
	defer cancel()
	if err := d.tellWarden(ctx, q); err != nil {
		d.Log.Debug("cannot tell the warden of strangers", "error", err) // it is down, and everybody else says so
		d.strangers.giveBack(q)
	}
}

func (d *door) tellWarden(ctx context.Context, q client.StrangersRequest) error {
	w, err := d.Dial(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	return w.Strangers(ctx, q)
}
