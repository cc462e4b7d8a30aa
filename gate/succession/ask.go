package succession

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// typeSucceed asks the one that serves to be succeeded. It is answered by wire.Granted or wire.Refused.
const typeSucceed = "succeed"

// request is what is asked.
type request struct {
	Protocol int `json:"protocol"`
}

// Listen listens at a place for who asks. The name is of the network namespace alone (unix(7), abstract): it is in no directory, and other namespaces
// do not have it.
func Listen(name string) (net.Listener, error) {
	l, err := net.Listen("unixpacket", "@"+name)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for who asks for a successor: %w", err)
	}
	return l, nil
}

// Await has succeed called by whoever asks for it at l, until it has worked once, or ctx ends. It tells who asks what came of it.
func Await(ctx context.Context, l net.Listener, succeed func(context.Context) error) {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for ctx.Err() == nil {
		raw, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, most likely
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if answer(ctx, raw, succeed) {
			l.Close()
			return
		}
	}
}

// answer answers one who asks, and reports whether this process has been succeeded.
func answer(ctx context.Context, raw net.Conn, succeed func(context.Context) error) (succeeded bool) {
	conn, err := take(raw)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	if own(conn) != nil {
		return false
	}
	var q request
	if files, err := hear(conn, typeSucceed, &q); err != nil || len(files) > 0 {
		wire.CloseAll(files)
		return false
	}
	if q.Protocol != protocol {
		_ = conn.Send(0, wire.Refused, wire.Refusal{Error: fmt.Sprintf("the one that runs is asked by version %d, and knows %d: restart it", q.Protocol, protocol)})
		return false
	}
	if err := succeed(ctx); err != nil {
		_ = conn.Send(0, wire.Refused, wire.Refusal{Error: err.Error()})
		return false
	}
	_ = conn.Send(0, wire.Granted, struct{}{})
	return true
}

// Ask asks the one that serves to be succeeded, and returns when it is.
func Ask(name string) error {
	conn, err := wire.Dial("@" + name)
	if errors.Is(err, unix.ECONNREFUSED) {
		return errors.New("nobody runs here that can be succeeded: one that cannot has to be restarted")
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := own(conn); err != nil {
		return err
	}
	if err := errors.Join(conn.SetDeadline(time.Now().Add(2*patience)), conn.Send(0, typeSucceed, request{protocol})); err != nil {
		return err
	}
	files, err := hear(conn, wire.Granted, &struct{}{})
	wire.CloseAll(files)
	return err
}

// own refuses a peer of another user.
func own(conn *wire.Conn) error {
	peer, err := conn.Peer()
	if err != nil {
		return err
	}
	if int(peer.Uid) != os.Getuid() {
		return fmt.Errorf("process %d, which answers, is of the user %d", peer.Pid, peer.Uid)
	}
	return nil
}

// take makes a connection of one that was accepted.
func take(raw net.Conn) (*wire.Conn, error) {
	defer raw.Close()
	file, err := raw.(*net.UnixConn).File()
	if err != nil {
		return nil, err
	}
	return wire.NewConn(file)
}
