package doortest

import (
	"io"
	"net"
	"os"
	"sync"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// offer listens, for a session that listens or for an ssh-agent, and returns the door's end of the socket by which it offers what connects.
// It plays what is inside a pod.
func (w *Warden) offer(network, address string) (*os.File, error) {
	door, theirs, err := wire.Pair()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen(network, address)
	if err != nil {
		_ = door.Send(0, wire.TypeNo, wire.No{Error: "address already in use"})
		door.Close()
		return theirs, nil
	}
	if network != "unix" || address != w.AgentSocket {
		where := wire.Listening{}
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			where.Port = uint16(tcp.Port)
		}
		if err := door.Send(0, wire.TypeListening, where); err != nil {
			return nil, err
		}
	}
	w.note(func(s *Seen) { s.Running++ })
	go w.offers(door, l)
	return theirs, nil
}

// offers offers one connection after the other, and carries them at the same time.
func (w *Warden) offers(door *wire.Conn, l net.Listener) {
	defer w.note(func(s *Seen) { s.Running-- })
	answers := make(chan []*os.File)
	var sending sync.Mutex
	say := func(id uint64, kind string, body any) {
		sending.Lock()
		defer sending.Unlock()
		_ = door.Send(id, kind, body)
	}
	go func() {
		defer l.Close()
		defer close(answers)
		for {
			m, files, err := door.Receive()
			switch {
			case err != nil:
				return
			case m.Type == wire.TypeStop:
				l.Close()
			case m.Type == wire.TypeCarry || m.Type == wire.TypeNo:
				answers <- files
			default:
				w.note(func(s *Seen) { s.Over++ })
			}
		}
	}()
	for id := uint64(1); ; id++ {
		conn, err := l.Accept()
		if err != nil {
			say(0, wire.TypeStopped, struct{}{})
			for range answers {
				continue
			}
			door.Close()
			return
		}
		say(id, wire.TypeArrived, wire.Arrived{Address: "127.0.0.1", Port: 7})
		files := <-answers
		if len(files) != 2 {
			conn.Close()
			continue
		}
		say(id, wire.TypeCarrying, struct{}{})
		go func() {
			carry(conn, files)
			say(id, wire.TypeCarried, struct{}{})
		}()
	}
}

// listen plays a session that listens: what the door gets is its socket, what it offers by, and pipes on which nothing comes.
func (w *Warden) listen(q client.OpenRequest) ([]*os.File, error) {
	to := q.Forward
	if to.Host == gate.AnyHost {
		to.Host = ""
	}
	offers, err := w.offer(to.Network(), to.Address())
	if err != nil {
		return nil, err
	}
	session, theirs, err := wire.Pair()
	if err != nil {
		return nil, err
	}
	out, _, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errs, _, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() { // until the door is gone
		_, _, _ = session.Receive()
		session.Close()
	}()
	return []*os.File{theirs, offers, out, errs}, nil
}

// carry carries a connection by two pipes, each direction to its own end.
func carry(conn net.Conn, pipes []*os.File) {
	defer conn.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(pipes[1], conn)
		pipes[1].Close()
	})
	_, _ = io.Copy(conn, pipes[0])
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	pipes[0].Close()
	back.Wait()
}
