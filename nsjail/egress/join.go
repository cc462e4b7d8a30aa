package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

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
	conn, err := ask(ctx, socket, up{guid, n.Names}, s)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot have the pod reach names: %w", err), s.close())
	}
	keeping, cancel := context.WithCancel(context.WithoutCancel(ctx))
	j := &joined{sockets: s, socket: socket, claim: up{guid, n.Names}, log: log, cancel: cancel, done: make(chan struct{})}
	go j.keep(keeping, conn)
	return j, nil
}

// joined is a pod that is served.
type joined struct {
	sockets
	socket string
	claim  up
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}
}

// Close ends that, and the connections that there are.
func (j *joined) Close() error {
	j.cancel()
	<-j.done
	return j.close()
}

// How long to wait before the next attempt at forkgate-egress, and after how long its absence is told of.
const (
	retry  = 200 * time.Millisecond
	silent = 10 * time.Second
)

// keep holds the connection, and has the sockets served again when it ends.
func (j *joined) keep(ctx context.Context, conn *wire.Conn) {
	defer close(j.done)
	for conn != nil {
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		_, files, _ := conn.Receive() // until the service goes; it says nothing more
		wire.CloseAll(files)
		stop()
		conn.Close()
		conn = j.askAgain(ctx)
	}
}

// askAgain returns nil when ctx has ended.
func (j *joined) askAgain(ctx context.Context) *wire.Conn {
	since := time.Now()
	for said := false; ctx.Err() == nil; {
		conn, err := ask(ctx, j.socket, j.claim, j.sockets)
		if err == nil {
			return conn
		}
		if time.Since(since) > silent && !said {
			said = true
			j.log.Error("the pod reaches no names until forkgate-egress is back", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
	return nil
}

// patience is for one message.
const patience = 10 * time.Second

// ask has a pod's sockets served until the connection ends.
func ask(ctx context.Context, socket string, claim up, s sockets) (_ *wire.Conn, err error) {
	conn, err := wire.Dial(socket)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			conn.Close()
		}
	}()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if err := conn.Send(0, typeUp, claim, s.connections, s.questions); err != nil {
		return nil, err
	}
	m, files, err := conn.Receive()
	wire.CloseAll(files)
	if err != nil {
		return nil, err
	}
	if m.Type != typeOK {
		var refused no
		return nil, errors.Join(errors.New("forkgate-egress refuses"), m.Decode(&refused), errors.New(refused.Error))
	}
	return conn, conn.SetDeadline(time.Time{})
}
