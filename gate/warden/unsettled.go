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

// runUnsettled has the operator's command run in a fork that could not be settled, which nobody else enters: in a pod without a network, in which
// nothing is done to the fork first. The pod is there for that command alone: over is called when the command is sent on its way, and returns when
// nothing of it runs. Until then the fork is not settled again, and does not go for its time or for another; who removes it ends the command.
func (p *pods) runUnsettled(ctx context.Context, t fork.Tree, work nsjail.Exec) (_ *nsjail.Session, over func(context.Context), err error) {
	unit, err := systemd.Instance(podUnit, t.GUID)
	if err != nil {
		return nil, nil, err
	}
	p.operatorLeaves(ctx, t.GUID)
	leave, ok := p.sessions.operates(t.GUID)
	if !ok {
		return nil, nil, &gate.Refusal{Reason: "somebody is in " + t.Ref()}
	}
	running, err := p.beginUnsettled(ctx, unit, t, work)
	if err != nil {
		leave()
		return nil, nil, err
	}
	return running, func(ctx context.Context) {
		defer leave()
		defer context.AfterFunc(ctx, running.End.Close)()
		_, _ = running.End.Wait() // or whoever asked has gone
		running.End.Close()
		if err := p.endUnsettled(ctx, unit); err != nil {
			p.journal.Error("the pod of a fork that is not settled still runs", "ref", t.Ref(), "error", err)
		}
	}, nil
}

// operatorLeaves waits a moment for an operator's command that has ended and whose pod has not: whoever comes after it comes at once.
func (p *pods) operatorLeaves(ctx context.Context, guid string) {
	for began := time.Now(); p.sessions.operated(guid) && time.Since(began) < leaving && pause(ctx, 20*time.Millisecond); {
	}
}

// leaving is how long a pod takes to end at most, before it is taken for one in which the operator is.
const leaving = 3 * time.Second

func (p *pods) endUnsettled(ctx context.Context, unit string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return p.units.Kill(ctx, unit)
}

// beginUnsettled starts the pod, and the command in it.
func (p *pods) beginUnsettled(ctx context.Context, unit string, t fork.Tree, work nsjail.Exec) (*nsjail.Session, error) {
	if err := p.startUnsettled(ctx, unit, t); err != nil {
		return nil, err
	}
	running, err := p.exec(ctx, p.runDir, t.GUID, work) // without a lock: one that does not answer holds up nobody's end
	if err != nil {
		return nil, errors.Join(err, p.endUnsettled(ctx, unit))
	}
	return running, nil
}

func (p *pods) startUnsettled(ctx context.Context, unit string, t fork.Tree) error {
	defer p.lock(t.GUID)()
	now, ok := p.trees.Get(t.GUID)
	switch {
	case !ok || now.Ref() != t.Ref():
		return renamed(t.Ref())
	case !now.Frozen.IsZero():
		return frozen(now)
	case now.Unsettled == "":
		return &gate.Refusal{Reason: t.Ref() + " is settled by now", Hint: "ssh " + t.Repo + "+" + t.Tag + "@host"}
	}
	if err := p.units.Kill(ctx, unit); err != nil { // one that was left
		return err
	}
	if err := p.bringUpBy(ctx, unit, now, p.apart(now, nil)); err != nil {
		return errors.Join(fmt.Errorf("cannot start the pod of %s: %w", t.GUID, err), p.endUnsettled(ctx, unit))
	}
	return nil
}
