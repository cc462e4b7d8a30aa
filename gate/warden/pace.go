package warden

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"forkgate/gate"
)

const (
	// atOnce is how many sessions a principal may open one after the other without a pause, and paced how many a second from then on. Each has some
	// lines in the record, which are not summed: without a bound whoever may open sessions could fill the disk with them.
	atOnce = 3000
	paced  = 10
	// queue is how long one waits at most: tools that open a session for each file, as rclone does for sums, and forwards of a browser get theirs all the
	// same. It bounds how many wait.
	queue = 10 * time.Second
	// maxPaced bounds how many principals are remembered.
	maxPaced = 1 << 12
)

// pace is how fast each principal opens sessions. The zero pace is ready.
type pace struct {
	mu  sync.Mutex
	all map[string]*rate.Limiter
}

// take counts one. Who is too fast waits for a while; who would wait for longer than that, as the others of the same principal come first, is refused.
func (p *pace) take(ctx context.Context, principal string, now time.Time) error {
	place := p.of(principal).ReserveN(now, 1)
	delay := place.DelayFrom(now)
	if delay > queue {
		place.CancelAt(now)
		return &gate.Refusal{
			Reason: fmt.Sprintf("%s has opened %d sessions without a pause: from here on there are %d a second, and too many wait already", principal, atOnce, paced),
			Hint:   "wait a second; one session can run a script",
		}
	}
	if delay > 0 && !pause(ctx, delay) {
		place.CancelAt(now)
		return context.Cause(ctx)
	}
	return nil
}

func (p *pace) of(principal string) *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil || len(p.all) >= maxPaced {
		p.all = map[string]*rate.Limiter{}
	}
	if p.all[principal] == nil {
		p.all[principal] = rate.NewLimiter(paced, atOnce)
	}
	return p.all[principal]
}
