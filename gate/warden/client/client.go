package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"forkgate/gate"
	"forkgate/nsjail/wire"
)

// ErrGone says that the warden closed the connection.
var ErrGone = errors.New("the warden is gone")

// Client is one connection to the warden, for one SSH connection. Its methods may be called at the same time. An error is a
// *gate.Refusal, a *Failed, or a fault of the connection.
type Client struct {
	conn *wire.Conn
	done chan struct{} // closed when the reader has ended

	sending sync.Mutex

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]waiter // nil once the connection is gone
	notify  func(Notice)      // nil: nobody wants to know
}

// waiter is who waits for a reply.
type waiter struct {
	answer   chan reply
	progress func(string) // what to do with a line of progress; may be nil
}

type reply struct {
	message wire.Message
	files   []*os.File
}

// Dial connects to the warden's socket.
func Dial(path string) (*Client, error) {
	conn, err := wire.Dial(path)
	if err != nil {
		return nil, err
	}
	conn.Speak(wire.Doors())
	c := &Client{conn: conn, done: make(chan struct{}), waiting: map[uint64]waiter{}}
	go c.read()
	return c, nil
}

// Close ends the connection; what waits for a reply gets ErrGone. Sessions that were opened go on.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// Notify has f told of notices from now on, until the connection ends. It must not wait.
func (c *Client) Notify(f func(Notice)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notify = f
}

// HostKeys lists the public host keys in SSH wire format.
func (c *Client) HostKeys(ctx context.Context) (HostKeysReply, error) {
	var r HostKeysReply
	err := c.call(ctx, TypeHostKeys, struct{}{}, &r)
	return r, err
}

// Prove has a host key, or one that will be, sign that the host has it.
func (c *Client) Prove(ctx context.Context, q ProveRequest) (SignReply, error) {
	var r SignReply
	err := c.call(ctx, TypeProve, q, &r)
	return r, err
}

// Sign has a host key sign an exchange hash.
func (c *Client) Sign(ctx context.Context, q SignRequest) (SignReply, error) {
	var r SignReply
	err := c.call(ctx, TypeSign, q, &r)
	return r, err
}

// Identify tells whether some principal has the key, or an attestor made the certificate.
func (c *Client) Identify(ctx context.Context, q IdentifyRequest) (bool, error) {
	var r IdentifyReply
	err := c.call(ctx, TypeIdentify, q, &r)
	return r.Known, err
}

// Assert states what the handshake proved. It must come before Open and Verb.
func (c *Client) Assert(ctx context.Context, q AssertRequest) (AssertReply, error) {
	var r AssertReply
	err := c.call(ctx, TypeAssert, q, &r)
	return r, err
}

// Untaped says that a session's recording has failed.
func (c *Client) Untaped(ctx context.Context, q UntapedRequest) error {
	return c.call(ctx, TypeUntaped, q, &struct{}{})
}

// Touch hands over the signature of a security key that was touched for this connection. It must come after Assert.
func (c *Client) Touch(ctx context.Context, q TouchRequest) error {
	return c.call(ctx, TypeTouch, q, &struct{}{})
}

// Untouched has the record say that a security key signed without being touched.
func (c *Client) Untouched(ctx context.Context, q UntouchedRequest) error {
	return c.call(ctx, TypeUntouched, q, &struct{}{})
}

// Account has this process speak for the account that it runs as, as sshd's ForceCommand. It must come before Open and Verb, and
// instead of Assert.
func (c *Client) Account(ctx context.Context, q AccountRequest) (AccountReply, error) {
	var r AccountReply
	err := c.call(ctx, TypeAccount, q, &r)
	return r, err
}

// Struck tells which limits a session of this connection ran into.
func (c *Client) Struck(ctx context.Context, session string) (StruckReply, error) {
	var r StruckReply
	err := c.call(ctx, TypeStruck, StruckRequest{Session: session}, &r)
	return r, err
}

// Ended tells why a session has ended that vanished, if the warden has ended it.
func (c *Client) Ended(ctx context.Context, session string) (EndedReply, error) {
	var r EndedReply
	err := c.call(ctx, TypeEnded, EndedRequest{Session: session}, &r)
	return r, err
}

// Files has the record say what a session has done to files.
func (c *Client) Files(ctx context.Context, q FilesRequest) error {
	return c.call(ctx, TypeFiles, q, &struct{}{})
}

// Strangers tells of connections that came to nothing.
func (c *Client) Strangers(ctx context.Context, q StrangersRequest) error {
	return c.call(ctx, TypeStrangers, q, &struct{}{})
}

// Verb runs a control word and returns what it prints to stdout.
func (c *Client) Verb(ctx context.Context, q VerbRequest) ([]byte, error) {
	return c.text(ctx, question{kind: TypeVerb, body: q})
}

// text is an exchange whose reply is a text in a descriptor.
func (c *Client) text(ctx context.Context, q question) ([]byte, error) {
	files, err := c.exchange(ctx, q, &VerbReply{})
	if err != nil {
		return nil, err
	}
	defer wire.CloseAll(files)
	if len(files) != 1 {
		return nil, fmt.Errorf("%w: a verb's reply has one descriptor, not %d", wire.ErrMalformed, len(files))
	}
	return io.ReadAll(files[0])
}

// call is an exchange in which neither side sends descriptors.
func (c *Client) call(ctx context.Context, kind string, q, r any) error {
	return c.work(ctx, question{kind: kind, body: q}, r)
}

// question is a request: its files stay the caller's.
type question struct {
	kind     string
	body     any
	files    []*os.File
	progress func(string)
}

// exchange sends a request and waits for its reply. The descriptors are the caller's to close.
func (c *Client) exchange(ctx context.Context, q question, r any) ([]*os.File, error) {
	id, answer, err := c.expect(q.progress)
	if err != nil {
		return nil, err
	}
	defer c.forget(id, answer)
	if err := c.send(id, q); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		// What was asked may wait for somebody. That this does not reach the warden means that it is gone.
		_ = c.send(0, question{kind: TypeGiveUp, body: GiveUp{Request: id}})
		return nil, context.Cause(ctx)
	case got, ok := <-answer:
		if !ok {
			return nil, ErrGone
		}
		if err := understand(got.message, q.kind, r); err != nil {
			wire.CloseAll(got.files)
			return nil, err
		}
		return got.files, nil
	}
}

func (c *Client) send(id uint64, q question) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	err := c.conn.Send(id, q.kind, q.body, q.files...)
	if errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EPIPE) {
		err = fmt.Errorf("%w: %w", ErrGone, err)
	}
	return err
}

// understand decodes a reply of the expected type, or turns the warden's no into an error.
func understand(m wire.Message, kind string, r any) error {
	switch m.Type {
	case kind:
		return m.Decode(r)
	case TypeRefused:
		var no Refused
		if err := m.Decode(&no); err != nil {
			return err
		}
		return &gate.Refusal{Reason: no.Reason, Hint: no.Hint, Logged: no.Logged}
	case TypeFailed:
		var failed Failed
		if err := m.Decode(&failed); err != nil {
			return err
		}
		return &failed
	}
	if err := wire.Doors().Understood(m); err != nil {
		return err
	}
	return fmt.Errorf("%w: %q answers %q", wire.ErrMalformed, m.Type, kind)
}

func (c *Client) expect(progress func(string)) (uint64, <-chan reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		return 0, nil, ErrGone
	}
	c.last++
	answer := make(chan reply, 1)
	c.waiting[c.last] = waiter{answer, progress}
	return c.last, answer, nil
}

// forget gives up waiting. A reply that came all the same is closed: nobody else will.
func (c *Client) forget(id uint64, answer <-chan reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
	select {
	case late := <-answer:
		wire.CloseAll(late.files)
	default:
	}
}

// read hands replies to whom they are for, until the connection ends.
func (c *Client) read() {
	defer close(c.done)
	defer c.hangUp()
	for {
		m, files, err := c.conn.Receive()
		if err != nil {
			return
		}
		switch m.Type {
		case TypeProgress:
			wire.CloseAll(files)
			c.report(m)
			continue
		case TypeNotice:
			wire.CloseAll(files)
			c.pass(m)
			continue
		}
		c.deliver(reply{m, files})
	}
}

// deliver gives a reply to who waits for it. That is done under the lock, so that forget finds what came too late.
func (c *Client) deliver(r reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, ok := c.waiting[r.message.ID]
	if !ok {
		wire.CloseAll(r.files)
		return
	}
	delete(c.waiting, r.message.ID)
	w.answer <- r // has room: it takes one, and gets no second
}

// report passes a line of progress on to who waits. That is done under the lock, so that nothing is told to who has stopped waiting.
func (c *Client) report(m wire.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var p Progress
	if w := c.waiting[m.ID]; w.progress != nil && m.Decode(&p) == nil {
		w.progress(p.Line)
	}
}

// pass passes a notice on to who wants to know.
func (c *Client) pass(m wire.Message) {
	c.mu.Lock()
	notify := c.notify
	c.mu.Unlock()
	var n Notice
	if notify != nil && m.Decode(&n) == nil {
		notify(n)
	}
}

func (c *Client) hangUp() {
	c.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.waiting {
		close(w.answer)
	}
	c.waiting = nil
}
