package door

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

const (
	// tellEvery is how long an operation may wait for others, to be told of with them.
	tellEvery = time.Second
	// tellAt is how many are told of at once, sooner than that.
	tellAt = 64
	// maxUntold bounds how many wait while the warden is away. More are counted.
	maxUntold = 1024
	// maxUntoldBytes bounds what their paths take.
	maxUntoldBytes = 1 << 20
	// tellingTime is how long the warden may take to be told, before it counts as away.
	tellingTime = 2 * time.Second
)

// told tells the warden what a session does to files. Nothing that it does waits for that, but the session's end. What the record would only count, as it
// comes by the thousand, is counted here: the bound is the record's own, and of each session, which is never less than the record has for its principal.
// Paths weigh less here, too: the record escapes them.
type told struct {
	session string
	send    func(context.Context, client.FilesRequest) error
	log     *slog.Logger
	wake    chan struct{} // has room for one
	over    chan struct{} // closed when nothing comes any more
	ended   chan struct{} // closed when all is told

	mu      sync.Mutex
	waiting []gate.FileOperation
	bytes   int
	lines   *rate.Limiter // of those that wait
	counted int           // that do not wait: all but the newest are told of as a number
	newest  gate.FileOperation
	why     string // what is done from here on is not known; empty: it is
}

func newTold(session string, log *slog.Logger, send func(context.Context, client.FilesRequest) error) *told {
	return &told{
		session: session, send: send, log: log,
		lines: rate.NewLimiter(1, gate.FileLines),
		wake:  make(chan struct{}, 1), over: make(chan struct{}), ended: make(chan struct{}),
	}
}

func weight(op gate.FileOperation) int { return len(op.Path) + len(op.To) + len(op.Change) }

// add takes in what was done. It waits for nobody.
func (t *told) add(op gate.FileOperation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) >= maxUntold || t.bytes+weight(op) > maxUntoldBytes || !t.lines.AllowN(time.Now(), 1+(len(op.Path)+len(op.To))>>10) {
		t.counted++
		t.newest = op
		return
	}
	t.waiting = append(t.waiting, op)
	t.bytes += weight(op)
	if len(t.waiting) >= tellAt {
		t.hurry()
	}
}

// blind takes in that what is done from here on cannot be told.
func (t *told) blind(why error) {
	t.log.Warn("what a session does to files cannot be told any more", "session", t.session, "error", why)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.why = why.Error()
	t.hurry()
}

func (t *told) hurry() {
	select {
	case t.wake <- struct{}{}:
	default: // it is awake
	}
}

// run tells the warden, until finish is called. ctx gives its values alone: the end of a session is told of as well.
func (t *told) run(ctx context.Context) {
	defer close(t.ended)
	ctx = context.WithoutCancel(ctx)
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		last := false
		select {
		case <-t.wake:
		case <-tick.C:
		case <-t.over:
			last = true
		}
		for t.tell(ctx) {
		}
		if last {
			t.giveUp()
			return
		}
	}
}

// finish returns when all is told that can be.
func (t *told) finish() {
	close(t.over)
	<-t.ended
}

// tell tells of as much as goes into one message, and reports whether that succeeded and there may be more. What is counted meanwhile waits for
// run's next turn: who does very much would else be told of without a pause.
func (t *told) tell(ctx context.Context) (again bool) {
	q, waited := t.next()
	if len(q.Operations) == 0 && q.More == 0 && q.Blind == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, tellingTime)
	defer cancel()
	if err := t.send(ctx, q); err != nil {
		t.log.Warn("the warden is not told what a session does to files", "session", t.session, "error", err)
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, op := range t.waiting[:waited] {
		t.bytes -= weight(op)
	}
	t.waiting = t.waiting[waited:]
	t.counted -= len(q.Operations) - waited + q.More
	if q.Blind == t.why {
		t.why = ""
	}
	return waited > 0
}

// next is the next message: what has waited longest, as much of it as there is room for beside base64. Behind all that waits comes what is counted.
func (t *told) next() (q client.FilesRequest, waited int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	room := client.MaxFilesBytes
	for waited < len(t.waiting) && waited < client.MaxFiles && weight(t.waiting[waited]) <= room {
		room -= weight(t.waiting[waited])
		waited++
	}
	q = client.FilesRequest{Session: t.session, Operations: t.waiting[:waited:waited]}
	if waited < len(t.waiting) {
		return q, waited
	}
	if t.counted > 0 {
		if waited == client.MaxFiles || weight(t.newest) > room {
			return q, waited
		}
		q.Operations, q.More = append(q.Operations, t.newest), t.counted-1
	}
	q.Blind = t.why // what was done before comes before it
	return q, waited
}

// giveUp says in the log what the warden was not told.
func (t *told) giveUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.waiting) + t.counted; n > 0 {
		t.log.Error("what a session did to files is not in the record", "session", t.session, "operations", n)
	}
}
