package warden

import (
	"context"
	"errors"
	"fmt"
	"time"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/nsjail"
	"forkgate/systemd"
)

// runUnsettled has the operator's command run in a fork that could not be settled, which nobody else enters: in a pod without a network and without
// secrets, in which nothing is done to the fork first. The pod is there for that command alone: over is called when the command is sent on its way,
// and returns when nothing of it runs. Until then the fork is neither settled again nor removed.
func (p *pods) runUnsettled(ctx context.Context, t fork.Tree, work nsjail.Exec) (_ *nsjail.Session, over func(context.Context), err error) {
	unit, err := systemd.Instance(podUnit, t.GUID)
	if err != nil {
		return nil, nil, err
	}
	unlock := p.lock(t.GUID)
	end := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		defer unlock()
		return p.units.Kill(ctx, unit)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, end())
		}
	}()
	now, ok := p.trees.Get(t.GUID)
	switch {
	case !ok || now.Ref() != t.Ref():
		return nil, nil, renamed(t.Ref())
	case now.Unsettled == "":
		return nil, nil, &gate.Refusal{Reason: t.Ref() + " is settled by now"}
	}
	if err := p.units.Kill(ctx, unit); err != nil { // one that was left
		return nil, nil, err
	}
	spec := p.specification(now)
	spec.Scrub, spec.Network, spec.Autostart = nil, nsjail.Network{}, false
	if err := p.bringUpBy(ctx, unit, now, spec); err != nil {
		return nil, nil, fmt.Errorf("cannot start the pod of %s: %w", t.GUID, err)
	}
	running, err := p.exec(ctx, p.runDir, t.GUID, work)
	if err != nil {
		return nil, nil, err
	}
	return running, func(ctx context.Context) {
		defer context.AfterFunc(ctx, running.End.Close)()
		_, _ = running.End.Wait() // or whoever asked has gone
		running.End.Close()
		if err := end(); err != nil {
			p.journal.Error("the pod of a fork that is not settled still runs", "ref", t.Ref(), "error", err)
		}
	}, nil
}
