package warden

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// errHungUp is why a request ends whose connection has ended.
var errHungUp = errors.New("the peer hung up")

// connection is one peer: a door, for one SSH connection, or an operator's command.
type connection struct {
	*Warden
	gate    *gate.Gate[*opened] // that of its role
	conn    *wire.Conn
	role    role
	uid     uint32
	arrived time.Time
	speaks  int // version of the protocol, the peer

	// The reading goroutine alone writes these; requests that read them start afterwards.
	signed     signed
	identity   *identity // nil until the door has asserted one
	logout     func()    // counts the connection out of its principal's; nil until then
	turnedAway bool      // its principal has too many of them, and that is on record

	unanswered atomic.Int32
	begun      atomic.Bool // something has been asked that takes long: whoever logged in is in
	sending    sync.Mutex
	saying     sync.WaitGroup // notices under way

	opening sync.Mutex
	opened  map[string]begun // the connection's sessions

	waiting sync.Mutex
	waits   map[uint64]func() // end requests under way that take long, by ID
}

// serve reads and answers messages until the peer hangs up, or says what it may not, or stopping ends and what is under way has had its time. It returns
// when all requests have ended.
func (c *connection) serve(stopping context.Context) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(stopping))
	var requests sync.WaitGroup
	defer requests.Wait()
	defer cancel(errHungUp)
	defer context.AfterFunc(ctx, func() { c.conn.Close() })()
	heard := make(chan struct{}) // closed when nothing more is read
	defer c.beforeTheEnd(stopping, func() {
		c.finish(ctx, heard)
		cancel(errHungUp)
	})()
	for first := true; ; first = false {
		m, files, err := c.conn.Receive()
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			wire.CloseAll(files)
			close(heard)
			if stopping.Err() != nil {
				<-ctx.Done()
			}
			return nil
		}
		if err == nil && first {
			err = wire.Doors().Admit(c.conn, m)
			c.speaks = max(m.Version, 1)
		}
		if err != nil {
			wire.CloseAll(files)
			return err
		}
		if err := c.dispatch(ctx, &requests, m, files); err != nil {
			return err
		}
	}
}

// beforeTheEnd has something done when stopping ends. The function that it returns waits for that, or takes it back.
func (c *connection) beforeTheEnd(stopping context.Context, do func()) (wait func()) {
	done := make(chan struct{})
	back := context.AfterFunc(stopping, func() {
		defer close(done)
		do()
	})
	return func() {
		if !back() {
			<-done
		}
	}
}

// How long a warden that stops goes on with what is under way, and for how long after its beginning a login may be.
const (
	lastRequests = 2 * time.Second
	loggingIn    = 20 * time.Second
)

// finish lets requests come to their end, and who is logging in come in: the next warden would know nothing of either. Then nothing more is heard; what
// the peer has sent until then is, so that none of it gets lost.
func (c *connection) finish(ctx context.Context, heard <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, c.lastRequests)
	defer cancel()
	for c.underWay() && pause(ctx, 5*time.Millisecond) {
	}
	_ = c.conn.CloseRead()
	select {
	case <-heard:
	case <-ctx.Done():
	}
	for c.unanswered.Load() > 0 && pause(ctx, 5*time.Millisecond) {
	}
}

// underWay reports whether a request is, or a login.
func (c *connection) underWay() bool {
	login := c.role&(door|account) != 0 && !c.begun.Load() && c.now().Sub(c.arrived) < loggingIn
	return login || c.unanswered.Load() > 0
}

// dispatch answers one message, or has a goroutine of its own answer it. An error ends the connection.
func (c *connection) dispatch(ctx context.Context, requests *sync.WaitGroup, m wire.Message, files []*os.File) error {
	r := &request{connection: c, id: m.ID, kind: m.Type, session: newSession(), files: files}
	row, do, err := c.admit(m, len(files))
	if err != nil {
		wire.CloseAll(files)
		return err
	}
	r.settles = row.long
	if !row.long {
		r.answer(ctx, do)
		return nil
	}
	many := c.unanswered.Add(1)
	c.begun.Store(true)
	if many > maxUnanswered {
		wire.CloseAll(files)
		return fmt.Errorf("%w: more than %d requests without waiting for an answer", wire.ErrMalformed, maxUnanswered)
	}
	ctx, done := c.track(ctx, m.ID)
	requests.Go(func() {
		defer done()
		r.answer(ctx, do)
	})
	return nil
}

// track has giveUp end a request, until done is called. The request counts no more from the first of these on: whoever gives up waits for no
// answer, and what the principal has under way is bounded anyhow.
func (c *connection) track(ctx context.Context, id uint64) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	count := sync.OnceFunc(func() { c.unanswered.Add(-1) })
	c.waiting.Lock()
	defer c.waiting.Unlock()
	if c.waits == nil {
		c.waits = map[uint64]func(){}
	}
	c.waits[id] = func() { count(); cancel(errHungUp) }
	return ctx, func() {
		c.waiting.Lock()
		defer c.waiting.Unlock()
		delete(c.waits, id)
		count()
		cancel(nil)
	}
}

// giveUp ends a request of this connection for whose answer nobody waits any more. One that has been answered is no error.
func giveUp(_ context.Context, r *request, q client.GiveUp) (answer, error) {
	r.waiting.Lock()
	defer r.waiting.Unlock()
	if end, ok := r.waits[q.Request]; ok {
		end()
	}
	return answer{body: struct{}{}}, nil
}

// admit looks a message up in the table, and reads it.
func (c *connection) admit(m wire.Message, files int) (message, call, error) {
	row, ok := c.messages[m.Type]
	switch {
	case !ok:
		return row, nil, fmt.Errorf("%w: %.40q is no type of message", wire.ErrMalformed, m.Type)
	case row.from&c.role == 0:
		return row, nil, fmt.Errorf("%w: a peer in the role of %s sent %q", wire.ErrMalformed, c.role, m.Type)
	case !row.when.has(c.identity != nil):
		return row, nil, fmt.Errorf("%w: %q came out of turn", wire.ErrMalformed, m.Type)
	case files > row.files:
		return row, nil, fmt.Errorf("%w: %q came with %d descriptors", wire.ErrMalformed, m.Type, files)
	}
	do, err := row.read(m)
	return row, do, err
}

// answer runs the call and sends what comes of it: the reply, a refusal, or word that the gate failed.
func (r *request) answer(ctx context.Context, do call) {
	defer wire.CloseAll(r.files)
	reply, err := r.attempt(ctx, do)
	defer func() {
		wire.CloseAll(reply.files)
		if reply.after != nil {
			reply.after(ctx)
		}
	}()
	if r.role != operator && (r.settles || err != nil) { // the operator mends what keeps that from working
		err = errors.Join(err, r.log.Settle())
	}
	refusal, refused := gate.AsRefusal(err)
	switch {
	case err == nil:
		err = r.send(r.kind, reply.body, reply.files...)
	case refused:
		no := client.Refused{Reason: refusal.Reason, Hint: refusal.Hint}
		if hidden := r.rules.Redactions().Apply(no.Reason); hidden != no.Reason {
			no.Logged = hidden
		}
		err = r.send(client.TypeRefused, no)
	case ctx.Err() != nil:
		return // nobody is there to hear of it
	default:
		r.journal.Error("a request failed", "session", r.session, "type", r.kind, "error", err)
		if why := r.readOnly(); why != nil && !errors.Is(err, nsjail.ErrDied) {
			err = r.send(client.TypeRefused, client.Refused{Reason: why.Reason, Hint: why.Hint})
			break
		}
		err = r.send(client.TypeFailed, client.Failed{Session: r.session, Ended: errors.Is(err, nsjail.ErrDied)})
	}
	if err != nil && ctx.Err() == nil {
		r.journal.Error("an answer could not be sent", "session", r.session, "type", r.kind, "error", err)
	}
}

// readOnly is what to say of whatever fails while the pool takes no writes; nil where it does. The same goes for all that could be tried instead.
func (w *Warden) readOnly() *gate.Refusal {
	if _, err := w.trees.Status(); !errors.Is(err, fork.ErrReadOnlyPool) {
		return nil
	}
	return &gate.Refusal{Reason: fork.ErrReadOnlyPool.Error() + ", as after an error of its disk", Hint: "tell the operator, whom forkgate doctor tells what to do"}
}

// attempt runs the call. Should it panic, that is one caller's failure and not everybody's.
func (r *request) attempt(ctx context.Context, do call) (reply answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do(ctx, r)
}

func (r *request) send(kind string, body any, files ...*os.File) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	return r.conn.Send(r.id, kind, body, files...)
}

// newSession makes up the name of a session: 60 bits, so that nobody guesses another's.
func newSession() string { return strings.ToLower(rand.Text()[:12]) }
