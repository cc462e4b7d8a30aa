package network

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

// Join gives the pod with the network namespace netns its link. It is for the pod's supervisor, once the namespace is there and
// before anything hostile runs in it. The link and its rules last until Close; when forkgate-net starts anew meanwhile, they
// are claimed again. A network that opens nothing gets no link, and a Closer with nothing to do.
func Join(ctx context.Context, socket, guid string, n nsjail.Network, netns *os.File, log *slog.Logger) (io.Closer, error) {
	if !n.Links() {
		return io.NopCloser(nil), nil
	}
	claim := up{guid, n}
	conn, l, err := ask(ctx, socket, claim)
	if err != nil {
		return nil, fmt.Errorf("cannot get the rules for the pod's network: %w", err)
	}
	if err := l.make(netns); err != nil {
		return nil, errors.Join(err, l.remove(), conn.Close())
	}
	// What ctx is for is done; the link is there until it is closed.
	keeping, cancel := context.WithCancel(context.WithoutCancel(ctx))
	j := &joined{link: l, socket: socket, claim: claim, log: log, cancel: cancel, done: make(chan struct{})}
	go j.keep(keeping, conn)
	return j, nil
}

// joined is a link that is up, and the claim to its rules.
type joined struct {
	link   link
	socket string
	claim  up
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

// How long to wait before the next attempt at forkgate-net, and for how long the rules count as kept without it.
const (
	retry = 200 * time.Millisecond
	trust = 10 * time.Second
)

// keep holds the connection, and claims the rules again when it ends. Nobody guards the rules in the meantime: if that
// lasts, the link is set down until somebody does.
func (j *joined) keep(ctx context.Context, conn *wire.Conn) {
	defer close(j.done)
	for {
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		_, files, _ := conn.Receive() // until the service goes; it says nothing more
		wire.CloseAll(files)
		stop()
		conn.Close()
		if conn = j.claimAgain(ctx); conn == nil {
			return
		}
	}
}

// claimAgain returns nil when ctx has ended.
func (j *joined) claimAgain(ctx context.Context) *wire.Conn {
	since := time.Now()
	for said := false; ctx.Err() == nil; {
		conn, l, err := ask(ctx, j.socket, j.claim)
		if err == nil && l != j.link {
			conn.Close()
			err = fmt.Errorf("the link would have to be another one: %v, not %v", l, j.link)
		}
		if err == nil {
			if err := j.link.set(true); err != nil {
				j.log.Error("cannot set the pod's link up again", "err", err)
			}
			return conn
		}
		if time.Since(since) > trust && !said {
			said = true
			j.log.Error("the pod has no network until forkgate-net is back", "err", errors.Join(err, j.link.set(false)))
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
	return nil
}

// ask claims the rules of a pod. They are there until the connection ends.
func ask(ctx context.Context, socket string, claim up) (_ *wire.Conn, l link, err error) {
	conn, err := wire.Dial(socket)
	if err != nil {
		return nil, l, err
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
	if err := conn.Send(0, typeUp, claim); err != nil {
		return nil, l, err
	}
	m, files, err := conn.Receive()
	wire.CloseAll(files)
	if err != nil {
		return nil, l, err
	}
	if m.Type == typeNo {
		var refused no
		return nil, l, errors.Join(errors.New("forkgate-net refuses"), m.Decode(&refused), errors.New(refused.Error))
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, l, m.Decode(&l)
}
