package warden

import (
	"context"
	"fmt"
	"time"

	"forkgate/gate"
)

// turns has each principal have so many requests under way, and as many more as wait for a moment until it is their turn: many agents may come with
// one key, and all at once, as after a restart.
type turns struct {
	underWay, waiting *limit[string]
	patience          time.Duration
}

func newTurns() *turns {
	return &turns{underWay: newLimit[string](maxRequests), waiting: newLimit[string](maxWaiting), patience: 10 * time.Second}
}

// take waits for a turn, which lasts until release is called. Who waits for longer than a moment, as others wait for an approval, is refused.
func (t *turns) take(ctx context.Context, principal string) (release func(), err error) {
	if release, ok := t.underWay.take(principal); ok {
		return release, nil
	}
	leave, ok := t.waiting.take(principal)
	if !ok {
		return nil, tooMany()
	}
	defer leave()
	for end := time.Now().Add(t.patience); time.Now().Before(end); {
		if !pause(ctx, 20*time.Millisecond) {
			return nil, context.Cause(ctx)
		}
		if release, ok := t.underWay.take(principal); ok {
			return release, nil
		}
	}
	return nil, tooMany()
}

func tooMany() *gate.Refusal {
	return &gate.Refusal{
		Reason: fmt.Sprintf("%d of your requests are under way already", maxRequests),
		Hint:   "wait for one of them",
	}
}

// turn waits for the principal's turn, and looks again at who speaks: the policy may have changed meanwhile.
func (r *request) turn(ctx context.Context, who *gate.Evidence) (release func(), err error) {
	release, err = r.turns.take(ctx, who.Principal)
	if err != nil {
		return nil, err
	}
	if r.role == operator {
		return release, nil
	}
	now, err := r.evidenceOf(r.identity)
	if err != nil {
		release()
		return nil, err
	}
	now.Env, now.Alone = who.Env, who.Alone
	*who = now
	return release, nil
}
