package door

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/warden/client"
)

// Why a connection ended.
var (
	errClosed        = errors.New("the connection is closed")
	errDoorClosed    = errors.New("the door is closing")
	errTooSlow       = errors.New("not authenticated in time")
	errSilent        = errors.New("the client does not answer any more")
	errCrowded       = errors.New("not authenticated yet, and others want to")
	errChannelClosed = errors.New("the client closed the channel")
	errFlood         = errors.New("the client asks for channels and does not wait for answers")
	errUnsaid        = errors.New("the library began with something else than its version")
	errOneSession    = errors.New("this connection carries one session: open another one")
)

// maxOpening is how many forwards a connection asks the warden for at once: others wait. The warden hangs up on who asks for very many things without
// waiting for an answer, and a browser opens what it likes.
const maxOpening = 8

// tooMany is why a channel is not opened: the policy lets a connection have so many of its kind at a time.
type tooMany struct {
	most int
	what string
}

func (e tooMany) Error() string {
	return fmt.Sprintf("at most %d %s at a time on one connection", e.most, e.what)
}

// connection is one SSH connection: the transport, and what belongs to it.
type connection struct {
	net.Conn
	reader *bufio.Reader
	ack    *quickAck

	received int    // bytes of the client, until they are much
	said     []byte // what the library is yet to say that the client has heard already: see greet
	bundle   bundle
	joint    joint

	announced [][]byte // host keys that the client may learn
	proofs    int      // that the client has asked for; of the goroutine of its requests

	versionLength int // of the client's, its end included

	door   *door
	id     string // names the connection in the log and to the caller
	log    *slog.Logger
	source netip.AddrPort
	warden *link
	ctx    context.Context
	cancel context.CancelCauseFunc

	// Of the handshake, and of its goroutine alone.
	offer       ssh.PublicKey // what the client offered last
	proof       ssh.PublicKey // what has proved who speaks
	certificate ssh.PublicKey // what has been accepted so far, where a touch is asked for
	sign        string        // what a security key may sign to have been touched; empty: it is asked to authenticate, or has had its try
	tries       int           // that have failed
	ourFault    bool          // the warden did not answer, or lets nobody in

	deadline *time.Timer  // for logging in, and then for leaving
	asked    atomic.Int64 // channels that are open or not answered yet
	heard    atomic.Int64 // when something came of the client last, in ns since 1970
	leave    func()       // counts the connection out of those that have not authenticated

	stirred atomic.Int64 // when something went by it last, in ns since 1970
	idling  sync.Once    // by watchIdle
	ending  sync.Once    // by endUnwelcome

	mu       sync.Mutex
	holders  int // the transport, and each channel: the last one to let go clears up
	hungUp   bool
	channels int                 // how many there have been, to number sessions
	alone    chan struct{}       // closed when the client has said that it opens no further session
	opening  chan struct{}       // has room for as many forwards as are asked for at once
	promised sync.Once           // closes it
	bounds   client.Bounds       // of what there may be at a time; none, until the warden has said so
	sessions int                 // of the holders
	forwards int                 // the same
	running  map[string]*session // by the warden's names for them
	latest   chan struct{}       // of the requests that wait: closed when it has been answered
	unheard  []string            // what no session was there to hear
	early    []client.Notice     // for sessions that have not begun, or are over

	listeners map[listener]*listening
	requests  chan waiting // requests that are answered beside the reading of others; nil: none yet. Of the goroutine that reads them
}

func newConnection(d *door, raw net.Conn, source netip.AddrPort, leave func(), patience time.Duration) *connection {
	id := strings.ToLower(rand.Text()[:10])
	c := &connection{
		Conn: raw, reader: bufio.NewReader(raw), ack: newQuickAck(raw),
		door: d, id: id, log: d.Log.With("connection", id), source: source,
		leave: leave, holders: 1, running: map[string]*session{}, listeners: map[listener]*listening{}, alone: make(chan struct{}), opening: make(chan struct{}, maxOpening),
	}
	c.warden = &link{dial: d.Dial, notice: c.notice}
	c.ctx, c.cancel = context.WithCancelCause(d.ctx)
	d.live.Add(1)
	d.mu.Lock()
	d.open[c] = struct{}{}
	d.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = time.AfterFunc(patience, func() { c.hangUp(errTooSlow) })
	return c
}

// authenticated ends what bounds a connection that nobody has vouched for.
func (c *connection) authenticated() {
	c.deadline.Stop()
	c.leave()
	c.door.penalties.welcome(c.source.Addr(), time.Now())
}

// hangUp ends the connection, and with it every session on it. It does not wait.
func (c *connection) hangUp(cause error) {
	c.mu.Lock()
	first := !c.hungUp
	c.hungUp = true
	c.cancel(cause)
	c.deadline.Stop()
	c.mu.Unlock()
	if !first {
		return
	}
	c.Conn.Close()
	c.leave()
	c.letGo()
}

// retire ends all that is on the connection at once, lets nothing begin there any more, and hangs up if the client has not done so in time.
func (c *connection) retire(cause error) {
	c.cancel(cause)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.hungUp {
		c.deadline = time.AfterFunc(leaveTime, func() { c.hangUp(cause) })
	}
}

// over is why nothing may begin any more; nil: it may.
func (c *connection) over() error { return context.Cause(c.ctx) }

// hold counts a session channel in; letSessionGo must follow. It numbers the session. A single connection has one session in its whole life.
func (c *connection) hold(single bool) (number int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over() != nil:
		return 0, c.over()
	case c.sessions >= c.bounds.Sessions:
		return 0, tooMany{c.bounds.Sessions, "sessions"}
	case single && c.channels > 0:
		return 0, errOneSession
	}
	c.stir()
	c.holders++
	c.sessions++
	c.channels++
	c.ack.again()
	return c.channels, nil
}

// holdOn keeps the connection's things until letGo.
func (c *connection) holdOn() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() != nil {
		return c.over()
	}
	c.holders++
	return nil
}

// holdForward counts a forward in; letForwardGo must follow.
func (c *connection) holdForward() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over() != nil:
		return c.over()
	case c.forwards >= c.bounds.Forwards:
		return tooMany{c.bounds.Forwards, "forwards"}
	}
	c.stir()
	c.holders++
	c.forwards++
	c.ack.again()
	return nil
}

func (c *connection) letSessionGo() {
	c.mu.Lock()
	c.sessions--
	c.mu.Unlock()
	c.letGo()
}

func (c *connection) letForwardGo() {
	c.mu.Lock()
	c.forwards--
	c.mu.Unlock()
	c.letGo()
}

func (c *connection) letGo() {
	c.mu.Lock()
	c.holders--
	last := c.holders == 0
	c.mu.Unlock()
	if !last {
		return
	}
	c.warden.close()
	c.door.mu.Lock()
	delete(c.door.open, c)
	c.door.mu.Unlock()
	c.door.live.Done()
}

// survive keeps a panic from ending every connection of the process. It is deferred.
func (c *connection) survive(where string) {
	if p := recover(); p != nil {
		c.log.Error("panic", "in", where, "panic", p, "stack", string(debug.Stack()))
		c.hangUp(errClosed)
	}
}

// readAhead is how much of what a client sends is read at once when that turns out to be much: the library asks for each packet in pieces, and each
// would be a system call. It is not taken before, as there may be many connections that only wait.
const readAhead = 256 << 10

// Read reads from the client. The buffer is for the version exchange, which asks for one byte at a time, and for uploads.
func (c *connection) Read(p []byte) (int, error) {
	if c.reader.Buffered() == 0 {
		c.ack.arm()
		runtime.Gosched() // what came last is passed on before more is asked for, which takes the kernel a while to deny
		if c.received >= much && c.reader.Size() < readAhead {
			c.reader = bufio.NewReaderSize(c.Conn, readAhead)
		}
	}
	n, err := c.reader.Read(p)
	if c.received < much {
		c.received += n
	}
	if n > 0 {
		c.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

// Write writes to the client. The library's first word is its version, in one piece.
func (c *connection) Write(p []byte) (int, error) {
	if c.said != nil {
		said := c.said
		c.said = nil
		if !bytes.Equal(p, said) {
			return 0, errUnsaid
		}
		return len(p), nil
	}
	now := c.bundle.take(p, func(held []byte) { _, _ = c.Conn.Write(held) })
	if len(now) == 0 {
		return len(p), nil
	}
	n, err := c.joint.write(c.Conn, now)
	c.ack.arm()
	return max(n-(len(now)-len(p)), 0), err
}

// Close is how the layers above end the connection.
func (c *connection) Close() error {
	c.hangUp(errClosed)
	return nil
}

// SetDeadline does nothing: the handshake is bounded by a timer.
func (c *connection) SetDeadline(time.Time) error { return nil }
