package grants

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"forkgate/gate"
)

// What may wait at once.
const (
	maxWaiting          = 64 // in all
	maxWaitingPrincipal = 4  // of one principal: who approves can look at no more
)

var (
	// ErrTooMany says that too much waits already.
	ErrTooMany = errors.New("too many sessions wait for approval")
	// ErrNobody says that nobody approved in time.
	ErrNobody = errors.New("nobody approved")
	// ErrDenied says that somebody turned the wish down.
	ErrDenied = errors.New("turned down")
	// ErrUnknown says that nothing of that name waits: it never did, or was approved, turned down, given up.
	ErrUnknown = errors.New("nothing of that name waits")
)

// Wish is what a session waits for.
type Wish struct {
	Session string
	Target  gate.Target
	Who     gate.Caller
	Lineage string // what else may use a grant of several uses; empty: nothing
	Op      gate.Op
	Command string   // as gate.Exact shows it
	Env     []string // NAME=VALUE, likewise, in order
	Terms   gate.Approval

	Asked    gate.Request
	Evidence gate.Evidence
}

// Waiting is a wish that waits.
type Waiting struct {
	ID string
	Wish
	Nonce        string // of the text that is signed to approve it
	Seal         string // of the code by which it is approved with a touch; no text has it
	Since, Until time.Time

	answer chan answer // has room for the one that comes
}

type answer struct {
	grant Grant
	err   error
}

// Wait has a wish wait from now on. Await must follow.
func (b *Book) Wait(w Wish) (*Waiting, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	own := 0
	for _, other := range b.waiting {
		if other.Who.Principal == w.Who.Principal {
			own++
		}
	}
	if own >= maxWaitingPrincipal || len(b.waiting) >= maxWaiting {
		return nil, fmt.Errorf("%w: %d of %s, %d in all", ErrTooMany, own, w.Who.Principal, len(b.waiting))
	}
	now := b.now().UTC()
	waiting := &Waiting{ID: newID(), Nonce: rand.Text(), Seal: rand.Text(), Wish: w, Since: now, Until: now.Add(w.Terms.Wait), answer: make(chan answer, 1)}
	b.waiting[waiting.ID] = waiting
	return waiting, nil
}

// Await waits until the wish is approved, turned down, its time is over, or ctx ends: whoever has gone waits for nothing. After a
// grant, Opened must follow.
func (b *Book) Await(ctx context.Context, w *Waiting) (Grant, error) {
	timeout := time.NewTimer(w.Terms.Wait)
	defer timeout.Stop()
	var gone error
	select {
	case a := <-w.answer:
		return a.grant, a.err
	case <-timeout.C:
		gone = ErrNobody
	case <-ctx.Done():
		gone = context.Cause(ctx)
	}
	if b.withdraw(w.ID) {
		return Grant{}, gone
	}
	// Somebody was faster. Who only was late gets what was granted; who has gone has no use for it.
	a := <-w.answer
	if ctx.Err() == nil || a.err != nil {
		return a.grant, a.err
	}
	b.Opened(w.Session)
	return Grant{}, errors.Join(context.Cause(ctx), b.End(a.grant.ID, "its session had gone"))
}

// Withdraw takes a wish back that nobody awaits.
func (b *Book) Withdraw(w *Waiting) { b.withdraw(w.ID) }

func (b *Book) withdraw(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, waits := b.waiting[id]
	delete(b.waiting, id)
	return waits
}

// Approve makes a grant of a wish, and lets its session go on. approver is the principal that approves, proof by what it was known.
// A wish is approved once: ErrUnknown comes of every further attempt.
func (b *Book) Approve(id, approver, proof string) (Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w, ok := b.waiting[id]
	now := b.now().UTC()
	if !ok || !now.Before(w.Until) {
		return Grant{}, fmt.Errorf("%s: %w", id, ErrUnknown)
	}
	g := Grant{
		ID: id, GUID: w.Target.GUID, Ref: w.Target.Ref(), Principal: w.Who.Principal, Kind: w.Who.Kind, Agent: w.Who.Agent,
		Lineage: w.Lineage, Op: w.Op, Command: w.Command, Env: w.Env, From: now, Until: now.Add(w.Terms.Lasts), Uses: max(w.Terms.Uses, 1),
		Stop: w.Terms.Stop, Approver: approver, Proof: proof, Sessions: []Session{{Name: w.Session}}, Asked: w.Asked, Evidence: w.Evidence,
	}
	if g.Uses == 1 {
		g.Lineage = ""
	}
	if err := b.save(g); err != nil {
		return Grant{}, err
	}
	b.starting[w.Session] = true
	delete(b.waiting, id)
	w.answer <- answer{grant: g}
	return g, nil
}

// Deny turns a wish down.
func (b *Book) Deny(id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	w, ok := b.waiting[id]
	if !ok {
		return fmt.Errorf("%s: %w", id, ErrUnknown)
	}
	delete(b.waiting, id)
	w.answer <- answer{err: ErrDenied}
	return nil
}

// Waiting finds a wish that waits.
func (b *Book) Waiting(id string) (Waiting, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w, ok := b.waiting[id]
	if !ok {
		return Waiting{}, false
	}
	return *w, true
}

// AllWaiting lists the wishes that wait, the oldest first.
func (b *Book) AllWaiting() []Waiting {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Waiting
	for _, w := range slices.SortedFunc(maps.Values(b.waiting), func(x, y *Waiting) int {
		return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.ID, y.ID))
	}) {
		all = append(all, *w)
	}
	return all
}
