package warden

import (
	"context"
	"errors"

	"forkgate/fork"
	"forkgate/nsjail"
	"forkgate/systemd"
)

// bringUp takes the pod that was built ahead for a tree, or starts one.
func (p *pods) bringUp(ctx context.Context, unit, guid string) error {
	err := p.take(ctx, p.runDir, guid)
	if err == nil {
		return nil
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
