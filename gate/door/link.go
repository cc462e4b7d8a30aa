package door

import (
	"context"
	"errors"
	"sync"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// link is a connection's way to the warden. It is dialled when it is first needed, and again when the warden has been
// restarted: no connection has to end for that.
type link struct {
	dial   func(context.Context) (Warden, error)
	notice func(client.Notice) // what the warden says without being asked

	mu       sync.Mutex // held over a few exchanges that take microseconds each; all of them end with their context
	warden   Warden
	asserted bool
	made     client.AssertReply // what the assertion came to
	refused  error              // the warden does not accept it, and is asked no more
	closed   bool
}

// ask has the warden answer a question that may be put twice.
func (l *link) ask(ctx context.Context, question func(Warden) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.askLocked(ctx, question)
}

func (l *link) askLocked(ctx context.Context, question func(Warden) error) error {
	fresh := l.warden == nil
	if err := l.connect(ctx); err != nil {
		return err
	}
	err := question(l.warden)
	if fresh || !isFault(ctx, err) {
		return err
	}
	l.drop()
	if err := l.connect(ctx); err != nil {
		return err
	}
	return question(l.warden)
}

// ready returns a warden that knows who speaks. What is asked of it next may not be repeated, as nobody can tell whether a
// command ran before its warden went away; so ready makes sure first that the warden is there.
func (l *link) ready(ctx context.Context, who client.AssertRequest) (Warden, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asserted {
		ping := client.IdentifyRequest{Key: who.Key, Source: who.Source}
		if err := l.askLocked(ctx, func(w Warden) error { _, err := w.Identify(ctx, ping); return err }); err != nil {
			return nil, err
		}
	}
	if err := l.assertLocked(ctx, who); err != nil {
		return nil, err
	}
	return l.warden, nil
}

// assert tells the warden who speaks, if it has not been told, and returns what kind of connection that makes.
func (l *link) assert(ctx context.Context, who client.AssertRequest) (client.AssertReply, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.assertLocked(ctx, who); err != nil {
		return client.AssertReply{Single: true}, err
	}
	return l.made, nil
}

// touch tells the warden that was told who speaks of a security key that was touched. Another one would know of neither.
func (l *link) touch(ctx context.Context, q client.TouchRequest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.asserted {
		return errClosed
	}
	return l.warden.Touch(ctx, q)
}

func (l *link) assertLocked(ctx context.Context, who client.AssertRequest) error {
	if l.asserted || l.refused != nil {
		return l.refused
	}
	return l.askLocked(ctx, func(w Warden) error {
		reply, err := w.Assert(ctx, who)
		l.asserted, l.made = err == nil, reply
		return err
	})
}

// reject takes the warden's no for its last word on who speaks. It gives back the place that the connection has there.
func (l *link) reject(no error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused == nil {
		l.refused = no
		l.drop()
	}
}

// isFault tells whether an error is the connection's: neither the warden's answer nor the caller's impatience.
func isFault(ctx context.Context, err error) bool {
	var failed *client.Failed
	_, refused := gate.AsRefusal(err)
	return err != nil && ctx.Err() == nil && !refused && !errors.As(err, &failed)
}

func (l *link) connect(ctx context.Context) error {
	if l.closed {
		return errClosed
	}
	if l.warden != nil {
		return nil
	}
	w, err := l.dial(ctx)
	if err != nil {
		return err
	}
	w.Notify(l.notice)
	l.warden = w
	return nil
}

func (l *link) drop() {
	if l.warden != nil {
		l.warden.Close()
	}
	l.warden, l.asserted = nil, false
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.drop()
}
