package warden

import (
	"context"
	"errors"

	"forkgate/fork"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
	"forkgate/systemd"
)

// copyLimits are those of a copy that is made to be looked at. It expires in case that nobody is left to remove it.
var copyLimits = fork.Limits{Quota: 1 << 30, Memory: 2 << 30, Pids: 256, CPU: 200, TTL: 3600}

// copyOf makes a copy of a tree that nobody enters, for what a word does: it is removed by gone. It is nobody's: no principal has such a name, so
// that nobody can freeze or settle it meanwhile who may do so with forks of his own.
func (w *word) copyOf(ctx context.Context, t fork.Tree) (copied fork.Tree, gone func() error, err error) {
	copied, _, err = w.trees.Fork(ctx, t, w.Name+"-"+newSession()[:6], "("+w.Name+")", copyLimits)
	if err != nil {
		return copied, nil, explained(err)
	}
	gone = func() error { return w.trees.Remove(context.WithoutCancel(ctx), copied.GUID) }
	if copied, err = w.trees.Settle(copied.GUID, "it was made for "+w.Name+", and nobody enters it"); err != nil {
		return copied, nil, errors.Join(err, gone())
	}
	return copied, gone, nil
}

// examine starts the pod of a copy that nobody enters, without a network, for what is done before it is ready.
func (p *pods) examine(ctx context.Context, t fork.Tree, rules []wire.Scrub) (wire.Scrubbed, error) {
	defer p.lock(t.GUID)()
	unit, err := systemd.Instance(podUnit, t.GUID)
	if err != nil {
		return wire.Scrubbed{}, err
	}
	started := p.bringUpBy(ctx, unit, t, p.apart(t, rules))
	done, err := nsjail.ReadScrubbed(p.runDir, t.GUID)
	if err == nil && done.Error != "" {
		started = nil // which is why
	}
	if err == nil { // what was read stays nowhere
		err = nsjail.ForgetScrubbed(p.runDir, t.GUID)
	}
	return done, errors.Join(started, err)
}
