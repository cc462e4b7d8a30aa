package door

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/crypto/ssh"

	"forkgate/nsjail/wire"
)

// offers takes what connects to something that listens inside, and brings it to the client by a channel each.
//
// What listens is a process of the pod's, and believed in nothing: it says that somebody has come, and gets the inner ends of two pipes. It gets
// none before it has taken the last ones, so that it cannot pile up descriptors of the door's.
type offers struct {
	c       *connection
	conn    ssh.Conn
	inside  *wire.Conn
	flow    *flow
	channel func(wire.Arrived) (kind string, payload []byte) // that leads to the client's end
	stopped func()                                           // is told that nothing listens any more; nil: nobody wants to know

	mu       sync.Mutex // of what follows, and of sending
	open     map[uint64]context.CancelFunc
	awaited  uint64 // whose pipes have not been taken yet; 0: nobody's
	carrying sync.WaitGroup
}

// errOffers says that what listens inside speaks out of turn.
var errOffers = errors.New("what listens inside speaks out of turn")

// serve heeds what listens until that ends, or ctx does, and with it ends all that is carried.
func (o *offers) serve(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer o.carrying.Wait()
	defer end()
	defer context.AfterFunc(ctx, func() { o.inside.Close() })()
	o.open = map[uint64]context.CancelFunc{}
	for {
		m, files, err := o.inside.Receive()
		wire.CloseAll(files)
		if err == nil {
			err = o.heed(ctx, m)
		}
		if err != nil {
			return err
		}
	}
}

func (o *offers) heed(ctx context.Context, m wire.Message) error {
	switch m.Type {
	case wire.TypeArrived:
		var who wire.Arrived
		if err := m.Decode(&who); err != nil {
			return err
		}
		return o.arrived(ctx, m.ID, who)
	case wire.TypeCarrying:
		if m.ID == 0 || m.ID != o.awaited {
			return errOffers
		}
		o.awaited = 0
	case wire.TypeCarried:
		o.mu.Lock()
		over, ok := o.open[m.ID]
		o.mu.Unlock()
		if ok {
			over()
		}
	case wire.TypeStopped:
		if o.stopped != nil {
			o.stopped()
		}
	default:
		return fmt.Errorf("%w: %.40q", errOffers, m.Type)
	}
	return nil
}

// arrived answers that somebody has come: by pipes, or by a no where there are too many.
func (o *offers) arrived(ctx context.Context, id uint64, who wire.Arrived) error {
	o.mu.Lock()
	_, twice := o.open[id]
	o.mu.Unlock()
	if id == 0 || o.awaited != 0 || twice {
		return errOffers
	}
	if err := o.c.holdForward(); err != nil {
		why, _ := whyNot(err)
		return o.send(id, wire.TypeNo, wire.No{Error: why})
	}
	in, out, err := o.pipes(id)
	if err != nil {
		o.c.letForwardGo()
		o.c.log.Warn("cannot carry what connects inside", "error", err)
		return o.send(id, wire.TypeNo, wire.No{Error: "the gate failed"})
	}
	o.awaited = id
	over, ended := context.WithCancel(ctx)
	o.mu.Lock()
	o.open[id] = ended
	o.mu.Unlock()
	o.carrying.Go(func() {
		defer o.c.letForwardGo()
		defer o.c.survive("forward")
		defer ended()
		o.carry(ctx, over, id, who, in, out)
	})
	return nil
}

// pipes makes two, and sends their inner ends.
func (o *offers) pipes(id uint64) (in, out *os.File, err error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer theirIn.Close()
	out, theirOut, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, nil, err
	}
	defer theirOut.Close()
	if err := o.send(id, wire.TypeCarry, struct{}{}, theirIn, theirOut); err != nil {
		in.Close()
		out.Close()
		return nil, nil, err
	}
	return in, out, nil
}

// carry brings one connection to the client. over is done when nothing of it is left inside.
func (o *offers) carry(ctx, over context.Context, id uint64, who wire.Arrived, in, out *os.File) {
	gone := sync.OnceFunc(func() { _ = o.send(id, wire.TypeCarried, struct{}{}) }) // what listens may be as well
	end := sync.OnceFunc(func() {
		in.Close()
		out.Close()
		o.mu.Lock()
		delete(o.open, id)
		o.mu.Unlock()
		gone()
	})
	defer end()
	defer context.AfterFunc(ctx, end)()
	kind, payload := o.channel(who)
	channel, requests, err := o.conn.OpenChannel(kind, payload)
	if err != nil {
		return
	}
	o.c.bridge(channel, requests, ends{in: in, out: out, flow: o.flow, gone: gone, over: func() { <-over.Done() }, close: end})
}

// stop asks what listens to do so no more.
func (o *offers) stop() error { return o.send(0, wire.TypeStop, struct{}{}) }

func (o *offers) send(id uint64, kind string, body any, files ...*os.File) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.inside.Send(id, kind, body, files...)
}
