package door

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

const (
	// tellEvery is how long an operation may wait for others, to be told of with them.
	tellEvery = time.Second
	// tellAt is how many are told of at once, sooner than that.
	tellAt = 64
	// maxUntold bounds how many wait while the warden is away. Of more there is only their number.
	maxUntold = 1024
	// maxUntoldBytes bounds what their paths take.
	maxUntoldBytes = 1 << 20
	// tellingTime is how long the warden may take to be told, before it counts as away.
	tellingTime = 2 * time.Second
)

// told tells the warden what a session does to files. Nothing that it does waits for that, but the session's end.
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
	more    int    // that had no room to wait
	why     string // what is done from here on is not known; empty: it is
}

func newTold(session string, log *slog.Logger, send func(context.Context, client.FilesRequest) error) *told {
	return &told{
		session: session, send: send, log: log,
		wake: make(chan struct{}, 1), over: make(chan struct{}), ended: make(chan struct{}),
	}
}

func weight(op gate.FileOperation) int { return len(op.Path) + len(op.To) + len(op.Change) }

// add takes in what was done. It waits for nobody.
func (t *told) add(op gate.FileOperation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) >= maxUntold || t.bytes+weight(op) > maxUntoldBytes {
		t.more++
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

// tell tells of as much as goes into one message, and reports whether that succeeded and there may be more.
func (t *told) tell(ctx context.Context) (again bool) {
	q := t.next()
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
	for _, op := range q.Operations {
		t.bytes -= weight(op)
	}
	t.waiting = t.waiting[len(q.Operations):]
	t.more -= q.More
	if q.Blind == t.why {
		t.why = ""
	}
	return true
}

// next is the next message: what has waited longest, as much of it as there is room for beside base64.
func (t *told) next() client.FilesRequest {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, room := 0, client.MaxFilesBytes
	for n < len(t.waiting) && n < client.MaxFiles && weight(t.waiting[n]) <= room {
		room -= weight(t.waiting[n])
		n++
	}
	q := client.FilesRequest{Session: t.session, Operations: t.waiting[:n:n], More: t.more}
	if n == len(t.waiting) { // what was done before comes before it
		q.Blind = t.why
	}
	return q
}

// giveUp says in the log what the warden was not told.
func (t *told) giveUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.waiting) + t.more; n > 0 {
		t.log.Error("what a session did to files is not in the record", "session", t.session, "operations", n)
	}
}
