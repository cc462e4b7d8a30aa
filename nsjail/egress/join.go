package egress

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

// Join lets the pod with the network namespace netns out by name. It is for the pod's supervisor, before anything hostile runs in there. That lasts
// until Close; when forkgate-egress starts anew meanwhile, it gets the sockets again, and whoever connects then waits. A network without
// names gets a Closer with nothing to do.
func Join(ctx context.Context, socket, guid string, n nsjail.Network, netns *os.File, log *slog.Logger) (io.Closer, error) {
	if len(n.Names) == 0 {
		return io.NopCloser(nil), nil
	}
	s, err := open(netns, n)
	if err != nil {
		return nil, err
	}
	j := &joined{
		sockets: s, done: make(chan struct{}),
		claim: wire.Claim{
			Socket: socket, Protocol: wire.Egress(), Type: typeUp, Body: up{guid, n.Names}, Files: []*os.File{s.connections, s.questions},
			Late: func(err error) { log.Error("the pod reaches no names until forkgate-egress is back", "err", err) },
		},
	}
	conn, err := j.ask(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot have the pod reach names: %w", err), s.close())
	}
	keeping, cancel := context.WithCancel(context.WithoutCancel(ctx))
	j.cancel = cancel
	go func() {
		defer close(j.done)
		j.claim.Keep(keeping, conn, j.ask)
	}()
	return j, nil
}

// joined is a pod that is served.
type joined struct {
	sockets
	claim  wire.Claim
	cancel context.CancelFunc
	done   chan struct{}
}

func (j *joined) ask(ctx context.Context) (*wire.Conn, error) { return j.claim.Ask(ctx, &struct{}{}) }

// Close ends that, and the connections that there are.
func (j *joined) Close() error {
	j.cancel()
	<-j.done
	return j.close()
}
