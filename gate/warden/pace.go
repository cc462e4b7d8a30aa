package warden

import (
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
	// maxPaced bounds how many principals are remembered.
	maxPaced = 1 << 12
)

// pace is how fast each principal opens sessions. The zero pace is ready.
type pace struct {
	mu  sync.Mutex
	all map[string]*rate.Limiter
}

// take counts one, or refuses it.
func (p *pace) take(principal string, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil || len(p.all) >= maxPaced {
		p.all = map[string]*rate.Limiter{}
	}
	limit := p.all[principal]
	if limit == nil {
		limit = rate.NewLimiter(paced, atOnce)
		p.all[principal] = limit
	}
	if limit.AllowN(now, 1) {
		return nil
	}
	return &gate.Refusal{
		Reason: fmt.Sprintf("%s has opened %d sessions without a pause: from here on there are %d a second", principal, atOnce, paced),
		Hint:   "wait a second; one session can run a script",
	}
}
