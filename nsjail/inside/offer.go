package inside

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"forkgate/nsjail/wire"
)

// offers hands what connects to listeners over to a door, which sends pipes to carry it by (wire.TypeArrived and its like). So whoever connects
// inside gets no further than to a process inside, and no socket of the pod's comes to the host.
type offers struct {
	door      *wire.Conn
	listeners []net.Listener

	asking  sync.Mutex // one connection at a time
	answers chan answer
	last    uint64

	mu       sync.Mutex // of what follows, and of sending
	open     map[uint64]carried
	ended    bool // nothing is carried any more
	carrying sync.WaitGroup
}

// answer is what the door says to an offer.
type answer struct {
	wire.Message
	files []*os.File
}

func newOffers(door *wire.Conn, listeners []net.Listener) *offers {
	return &offers{door: door, listeners: listeners, answers: make(chan answer, 1), open: map[uint64]carried{}}
}

// serve offers all that connects, until the door wants no more or is gone. It returns when nothing is carried any more.
func (o *offers) serve() {
	var heeding, accepting sync.WaitGroup
	heeding.Go(o.heed)
	for _, l := range o.listeners {
		accepting.Go(func() { o.accept(l) })
	}
	accepting.Wait()
	o.send(0, wire.TypeStopped, struct{}{})
	o.carrying.Wait()
	o.door.Close()
	heeding.Wait()
}

// heed does what the door says until it is gone, and ends all of it then.
func (o *offers) heed() {
	defer close(o.answers)
	defer o.stop()
	defer o.dropAll()
	for {
		m, files, err := o.door.Receive()
		if err != nil {
			return
		}
		switch m.Type {
		case wire.TypeCarry, wire.TypeNo:
			select {
			case o.answers <- answer{m, files}:
				continue
			default: // nothing was asked
			}
		case wire.TypeCarried:
			o.gone(m.ID)
		case wire.TypeStop:
			o.stop()
		}
		wire.CloseAll(files)
	}
}

func (o *offers) stop() {
	for _, l := range o.listeners {
		l.Close()
	}
}

// carried is a connection with what it is carried by.
type carried struct {
	net.Conn
	in, out *os.File
}

func (c carried) end() {
	c.Close()
	c.in.Close()
	c.out.Close()
}

// gone has nothing go to the client any more, whose end is over. What that has sent goes on.
func (o *offers) gone(id uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if one, ok := o.open[id]; ok {
		closeRead(one.Conn)
	}
}

// dropAll ends all connections, which is told by who carries them.
func (o *offers) dropAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	for _, one := range o.open {
		one.end()
	}
}

// acceptPause is how long nothing is accepted after that did not work: there are no descriptors, say.
const acceptPause = 50 * time.Millisecond

func (o *offers) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			o.offer(conn)
		case isClosed(err):
			return
		default:
			time.Sleep(acceptPause)
		}
	}
}

// offer asks the door for pipes. Where it has none the connection ends.
func (o *offers) offer(conn net.Conn) {
	o.asking.Lock()
	defer o.asking.Unlock()
	o.last++
	id := o.last
	o.send(id, wire.TypeArrived, arrived(conn))
	got := <-o.answers
	in, out, err := got.pipes(id)
	if err != nil {
		conn.Close()
		return
	}
	// Before the door hears that they are there: it may say that it is over at once.
	one := carried{conn, in, out}
	o.mu.Lock()
	o.open[id] = one
	if o.ended {
		one.end()
	}
	o.mu.Unlock()
	o.send(id, wire.TypeCarrying, struct{}{})
	o.carrying.Go(func() {
		carry(conn, in, out)
		o.mu.Lock()
		delete(o.open, id)
		o.mu.Unlock()
		conn.Close()
		o.send(id, wire.TypeCarried, struct{}{})
	})
}

// errNoPipes says that the door does not carry a connection.
var errNoPipes = errors.New("the door has no pipes for it")

// pipes are those for the connection of that ID: what is to be sent, and where it goes what arrives.
func (a answer) pipes(id uint64) (in, out *os.File, err error) {
	if a.ID != id || a.Type != wire.TypeCarry || len(a.files) != 2 {
		wire.CloseAll(a.files)
		return nil, nil, errNoPipes
	}
	if in, err = wire.Pollable(a.files[0]); err != nil {
		a.files[1].Close()
		return nil, nil, err
	}
	if out, err = wire.Pollable(a.files[1]); err != nil {
		in.Close()
		return nil, nil, err
	}
	return in, out, nil
}

// close ends all of it, and has serve return.
func (o *offers) close() {
	o.stop()
	o.door.Close()
}

// send tells the door something. A door that is gone is noticed where it is listened to.
func (o *offers) send(id uint64, kind string, body any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.door.Send(id, kind, body)
}

func arrived(conn net.Conn) wire.Arrived {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return wire.Arrived{Address: tcp.IP.String(), Port: uint16(tcp.Port)}
	}
	return wire.Arrived{}
}
