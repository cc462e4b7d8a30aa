package succession

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// Sockets are listening sockets, by what they are for.
type Sockets map[string][]net.Listener

// Close closes all of them.
func (s Sockets) Close() {
	for _, all := range s {
		for _, l := range all {
			l.Close()
		}
	}
}

// Heir is this process's side of a succession: it is to succeed the one that started it.
type Heir struct{ conn *wire.Conn }

// Born is the heir that this process is; nil: it succeeds nobody. Only the first call knows.
func Born() (*Heir, error) {
	word := os.Getenv(descriptorVariable)
	if word == "" {
		return nil, nil
	}
	os.Unsetenv(descriptorVariable)
	fd, err := strconv.Atoi(word)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("cannot succeed anybody by the descriptor %q", word)
	}
	unix.CloseOnExec(fd)
	conn, err := wire.NewConn(os.NewFile(uintptr(fd), "succession"))
	if err != nil {
		return nil, fmt.Errorf("cannot succeed anybody: %w", err)
	}
	return &Heir{conn}, conn.SetDeadline(time.Now().Add(patience))
}

// Take takes the sockets over. Nobody is accepted by them here before Serve.
func (h *Heir) Take() (_ Sockets, err error) {
	all := Sockets{}
	defer func() {
		if err != nil {
			all.Close()
			err = fmt.Errorf("cannot take over what is listened on: %w", err)
		}
	}()
	var b begin
	if _, err := hear(h.conn, typeBegin, &b); err != nil {
		return nil, err
	}
	if b.Protocol != protocol {
		err := fmt.Errorf("the one that serves hands over by version %d, this program takes over by %d: restart it", b.Protocol, protocol)
		return nil, errors.Join(err, h.conn.Send(0, wire.Refused, wire.Refusal{Error: err.Error()}))
	}
	for range b.Sockets {
		var s socket
		files, err := hear(h.conn, typeSocket, &s)
		if err != nil {
			return all, err
		}
		if len(files) != 1 {
			wire.CloseAll(files)
			return all, fmt.Errorf("%w: %d descriptors for one socket", wire.ErrMalformed, len(files))
		}
		l, err := net.FileListener(files[0]) // which has a copy, and leaves it as it is: the other one still accepts by it
		files[0].Close()
		if err != nil {
			return all, err
		}
		all[s.Name] = append(all[s.Name], l)
	}
	return all, nil
}

// Refuse says why this process succeeds nobody.
func (h *Heir) Refuse(why error) { _ = h.conn.Send(0, wire.Refused, wire.Refusal{Error: why.Error()}) }

// Serve says that this process is ready, and returns when it is the one that serves.
func (h *Heir) Serve() error {
	defer h.conn.Close()
	if err := h.conn.SetDeadline(time.Now().Add(4 * patience)); err != nil { // the other one's bound is what counts now
		return fmt.Errorf("cannot succeed: %w", err)
	}
	if err := h.conn.Send(0, typeReady, struct{}{}); err != nil {
		return fmt.Errorf("cannot succeed: %w", err)
	}
	if _, err := hear(h.conn, typeServe, &struct{}{}); err != nil {
		return fmt.Errorf("cannot succeed: %w", err)
	}
	if err := h.conn.Send(0, typeServing, struct{}{}); err != nil {
		return fmt.Errorf("cannot succeed: %w", err)
	}
	return nil
}

// hear waits for a message of one type; another one that it understands is a no.
func hear(conn *wire.Conn, kind string, into any) ([]*os.File, error) {
	m, files, err := conn.Receive()
	if err != nil {
		return nil, err
	}
	if m.Type == kind {
		if err = m.Decode(into); err == nil {
			return files, nil
		}
	}
	wire.CloseAll(files)
	var no wire.Refusal
	if m.Type == wire.Refused && m.Decode(&no) == nil {
		return nil, errors.New(no.Error)
	}
	return nil, errors.Join(err, fmt.Errorf("%w: %.40q, not %q", wire.ErrMalformed, m.Type, kind))
}
