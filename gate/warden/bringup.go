package warden

import (
	"context"
	"errors"
	"fmt"
	"os"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
	"forkgate/systemd"
)

// bringUp takes the pod that was built ahead for a tree, or starts one.
func (p *pods) bringUp(ctx context.Context, unit, guid string) error {
	err := p.take(ctx, p.runDir, guid)
	if err == nil {
		return nil
	}
	if said, unsaid := nsjail.ReadScrubbed(p.runDir, guid); unsaid == nil && said.Error != "" {
		return err // it is the tree that is of no use: another pod would do the same once more, and what this one has done would be in no record
	}
	if !errors.Is(err, nsjail.ErrNotRunning) { // it waited, and is of no use
		if err := p.units.Kill(ctx, unit); err != nil {
			return err
		}
	}
	return p.units.Start(ctx, unit)
}

// Prepare builds a pod ahead for a fork to be.
func (p *pods) Prepare(ctx context.Context, spare fork.Tree, dirs fork.Dirs) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	defer p.lock(spare.GUID)()
	spec := nsjail.Spec{
		GUID: spare.GUID, SubUID: spare.SubUID(), Root: dirs.Root, Home: dirs.Home,
		Mountpoint: nsjail.Mountpoint(spare.GUID), NetworkID: spare.NetworkID(), Ahead: true,
	}
	if err := spec.Write(p.runDir); err != nil {
		return err
	}
	unit, err := systemd.Instance(podUnit, spare.GUID)
	if err != nil {
		return err
	}
	return p.units.Start(ctx, unit)
}

// start starts a pod, once for all who wait for it. One whose fork could not be settled starts when that is to be tried again, and not else.
func (p *pods) start(ctx context.Context, guid string, again bool) error {
	_, err, _ := p.once.Do(guid, func() (any, error) {
		defer p.metrics.time(timedPod)()
		// Whoever came first may hang up: the others still want the pod.
		ctx := context.WithoutCancel(ctx)
		tree, err := p.startable(guid, again)
		if err != nil {
			return nil, err
		}
		over, err := p.makeWay(ctx, tree)
		if err != nil {
			return nil, err
		}
		defer over()
		hooks, err := hooksOf(p.trees.Dirs(tree).Data)
		if err != nil {
			return nil, err
		}
		if hooks != "" { // they run before anybody enters
			use := &p.locksOf(guid).use
			use.Lock()
			defer use.Unlock()
		}
		defer p.lock(guid)()
		if tree, err = p.startable(guid, again); err != nil { // again, under the lock: End may have come first
			return nil, err
		}
		return nil, p.startLocked(ctx, tree, hooks)
	})
	if err != nil {
		return fmt.Errorf("cannot start the pod of %s: %w", guid, p.unlessLost(guid, err))
	}
	return nil
}

// unlessLost makes a refusal of what went wrong with a tree that the pool has lost, as after a power cut with a disk that had kept nothing.
func (p *pods) unlessLost(guid string, err error) error {
	t, ok := p.trees.Get(guid)
	if _, refused := gate.AsRefusal(err); refused || !ok {
		return err
	}
	if _, gone := os.Lstat(p.trees.Dirs(t).Tree); !errors.Is(gone, os.ErrNotExist) {
		return err
	}
	lost := &gate.Refusal{Reason: t.Ref() + " is gone from the pool"}
	if !t.Grand {
		lost.Hint = "ssh gate@host rm " + t.Ref() + " has its name be free again"
	}
	return fmt.Errorf("%w (%w)", lost, err)
}

// startable finds a tree whose pod may start.
func (p *pods) startable(guid string, again bool) (fork.Tree, error) {
	t, ok := p.trees.Get(guid)
	switch {
	case !ok:
		return t, errEnded
	case !t.Frozen.IsZero():
		return t, frozen(t)
	case t.Unsettled != "" && !again:
		return t, unsettled(t)
	case p.sessions.operated(guid):
		return t, &gate.Refusal{Reason: "the operator is in " + t.Ref(), Hint: "try again when that is over"}
	}
	return t, nil
}

// wake starts a pod that may be entered.
func (p *pods) wake(ctx context.Context, guid string) error { return p.start(ctx, guid, false) }

// startLocked starts a pod, and has done to its tree what has to be done before anybody is in it, or at each start.
func (p *pods) startLocked(ctx context.Context, tree fork.Tree, hooks string) error {
	unit, err := systemd.Instance(podUnit, tree.GUID)
	if err != nil {
		return err
	}
	if tree.Unsettled != "" { // what the operator has run there, if a warden ended meanwhile: see runUnsettled
		if err := p.units.Kill(ctx, unit); err != nil {
			return err
		}
	}
	spec := p.specification(tree)
	if spec.Secrets, err = p.secretFiles(tree); err != nil {
		return err
	}
	err = p.bringUpBy(ctx, unit, tree, spec)
	if !tree.Grand && !tree.Settled && (hooks != "" || len(spec.Scrub) > 0) {
		return p.settle(ctx, unit, tree, hooks, spec, err)
	}
	if err == nil && hooks != "" {
		if err := p.call(ctx, tree, hooks, hookUp); err != nil {
			p.journal.Error("up of a Rediaccfile failed", "ref", tree.Ref(), "error", err)
		}
	}
	return err
}

// bringUpBy brings a pod up as its specification says.
func (p *pods) bringUpBy(ctx context.Context, unit string, tree fork.Tree, spec nsjail.Spec) error {
	patience := startTimeout
	if len(spec.Scrub) > 0 {
		patience += wire.ScrubTime
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := spec.Write(p.runDir); err != nil {
		return err
	}
	if err := p.limit(ctx, unit, tree); err != nil {
		return err
	}
	return p.bringUp(ctx, unit, tree.GUID)
}
