package door

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"forkgate/gate/warden/client"
)

// accept serves each connection that arrives, until ctx ends. The accept loop of gliderlabs/ssh is not used either: it makes up
// an RSA host key where it is given none, leaves nobody to wait for its goroutines, and dies of a panic in any of them.
func (d *door) accept(ctx context.Context, l net.Listener) error {
	var pause time.Duration
	for {
		raw, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			switch {
			case err == nil && errors.Is(context.Cause(ctx), errYielded): // who has come to us does not come again
				d.admit(raw)
			case err == nil:
				raw.Close()
			}
			return nil
		case isTemporary(err):
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			d.Log.Warn("cannot accept for now", "error", err, "pause", pause)
			sleep(ctx, pause)
		case err != nil:
			return fmt.Errorf("cannot accept on %s: %w", l.Addr(), err)
		default:
			pause = 0
			d.admit(raw)
		}
	}
}

// admit starts serving a connection, or closes it when too many are still on their way in.
func (d *door) admit(raw net.Conn) {
	source := sourceOf(raw)
	now := time.Now()
	stands := d.penalties.standing(source.Addr(), d.MaxPerSource, now)
	here, leave, ok := d.startups.enter(source.Addr(), stands, now)
	if !ok {
		raw.Close()
		d.strangers.count(source, func(q *client.StrangersRequest) *int { return &q.TurnedAway })
		return
	}
	c := newConnection(d, raw, source, leave, d.HandshakeTimeout/time.Duration(stands.haste))
	d.startups.evictable(here, func() { c.hangUp(errCrowded) })
	go func() {
		defer c.hangUp(errClosed)
		defer c.survive("connection")
		c.speak()
	}()
}

// isTemporary tells what passes by itself: accept(2) reports a shortage, or that the peer has already gone.
func isTemporary(err error) bool {
	for _, e := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET,
		syscall.EPROTO, syscall.EINTR,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// sourceOf is the peer's address, zero for what is not TCP.
func sourceOf(conn net.Conn) netip.AddrPort {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	a := tcp.AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// sleep reports whether ctx was not over before.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
