package pod

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// kind is which half a half is.
type kind struct {
	name  string // first argument of its init
	flags uintptr
}

var (
	machineHalf = kind{"machine",
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	// The session half lives in the machine's network, with no capability over it: it has a user namespace of its own.
	sessionHalf = kind{"sessions",
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
)

// half is one of the two: its pid 1 and the socket to it.
type half struct {
	kind    kind
	cgroup  *os.File
	network *half      // whose network it lives in; nil: its own
	files   []*os.File // handed to the init, behind its socket and its cgroup

	born chan struct{} // closed by bear
	bear func()        // to be called when there is an init, or will never be one
	init *os.Process
	conn *wire.Conn
	site *site         // where it is built; nil before
	dead chan struct{} // closed when the init has ended
	died func(error)   // called then
}

// newHalf is a half that is not there yet. Its end ends the pod.
func newHalf(k kind, cgroup *os.File, network *half, end context.CancelCauseFunc, files ...*os.File) *half {
	h := &half{kind: k, cgroup: cgroup, network: network, files: files, born: make(chan struct{}), dead: make(chan struct{}), died: end}
	h.bear = sync.OnceFunc(func() { close(h.born) })
	return h
}

// handshake is how long an init may take for one step.
const handshake = 20 * time.Second

func (h *half) send(kind string, body any, files ...*os.File) error {
	_ = h.conn.SetDeadline(time.Now().Add(handshake))
	return h.conn.Send(0, kind, body, files...)
}

// expect waits for the init's next message, which must be of one type.
func (h *half) expect(kind string) error { return h.hear(kind, handshake, &struct{}{}) }

// hear waits for the init's next message, for so long, and reads it.
func (h *half) hear(kind string, patience time.Duration, body any) error {
	_ = h.conn.SetDeadline(time.Now().Add(patience))
	m, files, err := h.conn.Receive()
	wire.CloseAll(files)
	if err != nil {
		return fmt.Errorf("the %s init did not get as far as %q: %w", h.kind.name, kind, err)
	}
	if m.Type != kind {
		return fmt.Errorf("the %s init says %.40q, not %q", h.kind.name, m.Type, kind)
	}
	return m.Decode(body)
}

// reap ends the pod when the half does.
func (h *half) reap() {
	how := "it is not known how"
	if state, err := h.init.Wait(); err == nil {
		how = state.String()
	}
	close(h.dead)
	h.died(fmt.Errorf("%w: %s, %s", ErrDied, h.kind.name, how))
}

// grace is how long the containers of a pod have, together, when it is stopped.
const grace = time.Minute

// stop has the half end by itself, and kills it when that takes too long.
func (h *half) stop() {
	defer h.kill()
	if h.init == nil {
		return
	}
	if err := h.send(wire.TypeStop, struct{}{}); err != nil {
		return
	}
	select {
	case <-h.dead:
	case <-time.After(grace):
	}
}

// kill ends the half at once: the kernel takes all of a pid namespace down with its pid 1.
func (h *half) kill() {
	if h.conn != nil {
		h.conn.Close()
	}
	if h.init != nil {
		_ = h.init.Kill()
		<-h.dead
	}
}
