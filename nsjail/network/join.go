package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// Join gives the pod with the network namespace netns its link. It is for the pod's supervisor, once the namespace is there and
// before anything hostile runs in it. The link and its rules last until Close; when forkgate-net starts anew meanwhile, they
// are claimed again. A network that opens nothing gets no link, and a Closer with nothing to do.
func Join(ctx context.Context, socket, guid string, n nsjail.Network, netns *os.File, log *slog.Logger) (io.Closer, error) {
	if !n.Links() {
		return io.NopCloser(nil), nil
	}
	j := &joined{claim: wire.Claim{Socket: socket, Protocol: wire.Net(), Type: typeUp, Body: up{guid, n}}, log: log, done: make(chan struct{})}
	conn, err := j.claim.Ask(ctx, &j.link)
	if err != nil {
		return nil, fmt.Errorf("cannot get the rules for the pod's network: %w", err)
	}
	if err := j.link.make(netns); err != nil {
		return nil, errors.Join(err, j.link.remove(), conn.Close())
	}
	j.claim.Late, j.claim.Back = j.down, j.up
	// What ctx is for is done; the link is there until it is closed.
	keeping, cancel := context.WithCancel(context.WithoutCancel(ctx))
	j.cancel = cancel
	go func() {
		defer close(j.done)
		j.claim.Keep(keeping, conn, j.ask)
	}()
	return j, nil
}

// joined is a link that is up, and the claim to its rules.
type joined struct {
	link   link
	claim  wire.Claim
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}
}

// Close takes the link away, and then the rules.
func (j *joined) Close() error {
	err := j.link.remove()
	j.cancel()
	<-j.done
	return err
}

// ask claims the rules again, which have to be of the same link.
func (j *joined) ask(ctx context.Context) (*wire.Conn, error) {
	var l link
	conn, err := j.claim.Ask(ctx, &l)
	if err == nil && l != j.link {
		return nil, errors.Join(fmt.Errorf("the link would have to be another one: %v, not %v", l, j.link), conn.Close())
	}
	return conn, err
}

// down sets the link down when nobody has guarded its rules for a while, and up sets it up again when somebody does.
func (j *joined) down(err error) {
	j.log.Error("the pod has no network until forkgate-net is back", "err", errors.Join(err, j.link.set(false)))
}

func (j *joined) up() {
	if err := j.link.set(true); err != nil {
		j.log.Error("cannot set the pod's link up again", "err", err)
	}
}
