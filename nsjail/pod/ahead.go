package pod

import (
	"context"
	"fmt"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// await says that the pod waits, and builds the rest when it is taken: when somebody connects who has written its whole spec before.
func (p *pod) await(ctx context.Context, c Config) error {
	taker, err := p.taken(ctx, c)
	if err != nil {
		return err
	}
	defer taker.Close()
	if err = p.become(c); err == nil {
		// Whoever took it may be gone: it is there for the next one.
		err = p.open(ctx, c, func() error { _ = taker.Send(0, wire.TypeReady, struct{}{}); return nil })
	}
	if err != nil {
		_ = taker.Send(0, wire.TypeNo, wire.No{Error: err.Error()})
	}
	return err
}

// taken waits for the one who takes the pod.
func (p *pod) taken(ctx context.Context, c Config) (*wire.Conn, error) {
	path := nsjail.SpareSocket(c.RunDir, c.GUID)
	if err := removeOld(path); err != nil {
		return nil, err
	}
	l, err := wire.Listen(path, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = removeOld(path) }() // it is taken once
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	if err := c.Ready(); err != nil {
		return nil, err
	}
	conn, err := l.Accept()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return conn, err
}

// become reads whose the pod is. What was built is of this GUID, with these ids and sockets.
func (p *pod) become(c Config) error {
	whole, err := nsjail.ReadSpec(c.RunDir, c.GUID)
	if err != nil {
		return err
	}
	if was := p.spec; whole.Ahead || whole.SubUID != was.SubUID || whole.NetworkID != was.NetworkID {
		return fmt.Errorf("cannot make the spare pod %s another's: it was built for ids from %d and the network %d", c.GUID, was.SubUID, was.NetworkID)
	}
	p.spec = whole
	return nil
}
