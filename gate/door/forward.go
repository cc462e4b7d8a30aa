package door

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// connectTimeout is how long a forward may take to be connected, or to say why it is not; it gives up sooner by itself.
const connectTimeout = 30 * time.Second

// maxWhy is how much a forward may say of that. It is the pod's word.
const maxWhy = 200

// errNowhere is a forward to nothing that there could be.
var errNowhere = errors.New("malformed request")

// Why a forward that was opened comes to nothing.
var (
	errUnrecorded = errors.New("it has to be recorded, and cannot be")
	errNoAnswer   = errors.New("nothing answers")
)

// forward serves a channel that leads to a port or a socket inside the pod: a session of its own there, which carries the bytes.
func (c *connection) forward(conn *ssh.ServerConn, asked ssh.NewChannel) {
	run, err := c.openForward(conn, asked)
	if err != nil {
		reject(asked, err)
		return
	}
	defer c.letForwardGo()
	ctx, gone := context.WithCancel(c.ctx)
	flow := c.newFlow(run, gone)
	over := sync.OnceFunc(func() { flow.end(); run.Close() })
	defer over()
	defer gone()
	defer context.AfterFunc(ctx, over)()
	if why := connected(run); why != "" {
		_ = asked.Reject(ssh.ConnectionFailed, why)
		return
	}
	if !flow.begin() {
		_ = asked.Reject(ssh.ResourceShortage, errUnrecorded.Error())
		return
	}
	channel, requests, err := asked.Accept()
	if err != nil {
		return
	}
	c.bridge(channel, requests, ends{
		in: run.Stdin, out: run.Stdout, flow: flow, gone: func() { _ = run.Signal("HUP") }, over: func() { _, _ = run.Wait() }, close: over,
	})
}

// ends are what a channel leads to, inside.
type ends struct {
	in, out *os.File // of pipes
	flow    *flow    // counts
	gone    func()   // says there that the client is: what it has sent is to go on, and nothing to come back
	over    func()   // waits until nothing is carried any more there
	close   func()   // ends it there
}

// bridge carries bytes between a channel and what it leads to, each direction to its own end. A client that closes the channel may have sent a lot
// that is still under way.
func (c *connection) bridge(channel ssh.Channel, requests <-chan *ssh.Request, e ends) {
	defer channel.Close()
	var ways sync.WaitGroup
	sent := make(chan struct{})
	ways.Go(func() {
		defer c.survive("forward")
		defer close(sent)
		c.inward(e.in, e.flow.in(&growing{from: channel, pipe: e.in}))
	})
	ways.Go(func() {
		defer c.survive("forward")
		ssh.DiscardRequests(requests) // until the client closes the channel, and not only what it sends
		<-sent
		e.gone()
	})
	if err := c.carry(channel, e.flow.out(&growing{from: e.out, pipe: e.out})); err == nil {
		_ = channel.CloseWrite()
	}
	e.over()
	e.close()
	channel.Close()
	ways.Wait()
}

// openForward asks the warden for what a channel is to lead to.
func (c *connection) openForward(conn *ssh.ServerConn, asked ssh.NewChannel) (*client.Session, error) {
	op, to, ok := parseForward(asked.ChannelType(), asked.ExtraData())
	if !ok {
		return nil, errNowhere
	}
	return c.openSession(conn, op, to)
}

// openSession asks for the session of a forward. One that was opened has to be let go.
func (c *connection) openSession(conn *ssh.ServerConn, op gate.Op, to gate.Destination) (*client.Session, error) {
	if err := to.Check(op); err != nil {
		return nil, &gate.Refusal{Reason: err.Error()}
	}
	if err := c.over(); err != nil {
		return nil, err
	}
	who, err := c.identity(conn)
	if err != nil {
		return nil, err
	}
	if gate.IsControl(string(who.User)) {
		return nil, &gate.Refusal{Reason: string(who.User) + " is no repository, and nothing is forwarded there", Hint: "name one, or a fork, in its place"}
	}
	single, err := c.meet(who)
	if err != nil {
		return nil, err
	}
	if err := c.holdForward(); err != nil {
		return nil, err
	}
	run, err := c.requestForward(who, client.OpenRequest{Op: string(op), Forward: to, Alone: single})
	if err != nil {
		c.log.Info("a forward is not opened", "op", op, "to", gate.Exact(to.Address()), "error", gate.ForLog(err))
		c.letForwardGo()
		return nil, err
	}
	return run, nil
}

func (c *connection) requestForward(who client.AssertRequest, q client.OpenRequest) (*client.Session, error) {
	select {
	case c.opening <- struct{}{}:
		defer func() { <-c.opening }()
	case <-c.ctx.Done():
		return nil, errClosed
	}
	q.Alone = q.Alone && c.isAlone(c.ctx, who.ClientVersion)
	warden, err := c.ready(c.ctx, who)
	if err != nil {
		return nil, err
	}
	return warden.Open(c.ctx, q)
}

// reject refuses a channel with the reason: clients show it behind "open failed".
func reject(asked ssh.NewChannel, err error) {
	why, prohibited := whyNot(err)
	code := ssh.ResourceShortage
	switch {
	case prohibited:
		code = ssh.Prohibited
	case errors.Is(err, errNowhere):
		code = ssh.ConnectionFailed
	}
	_ = asked.Reject(code, why)
}

// whyNot is what a caller hears of a forward that is not opened, and whether that is policy's word.
func whyNot(err error) (text string, prohibited bool) {
	if refusal, ok := gate.AsRefusal(err); ok {
		return gate.Printable(refusal.InLine()), true
	}
	var inside insideSays
	if errors.As(err, &inside) {
		return inside.Error(), false
	}
	var many tooMany
	if errors.As(err, &many) {
		return many.Error(), false
	}
	for _, known := range []error{errNowhere, errUnrecorded, errNoAnswer, errOneSession} {
		if errors.Is(err, known) {
			return known.Error(), false
		}
	}
	return "the gate failed", false
}

// connected waits until a forward is, and returns why it is not.
func connected(run *client.Session) (why string) {
	_ = run.Stderr.SetReadDeadline(time.Now().Add(connectTimeout))
	said, err := bufio.NewReaderSize(io.LimitReader(run.Stderr, maxWhy), maxWhy).ReadString('\n')
	switch {
	case said == wire.ForwardOK:
		return ""
	case err != nil && !errors.Is(err, io.EOF) || said == "":
		return errNoAnswer.Error()
	}
	return gate.Printable(strings.TrimSpace(said))
}

// inward carries what the client sends, and its end of file. When nobody takes any more it is thrown away.
func (c *connection) inward(in *os.File, channel io.Reader) {
	err := c.carry(in, channel)
	in.Close()
	if err != nil {
		_, _ = io.Copy(io.Discard, channel)
	}
}

// parseForward reads direct-tcpip (RFC 4254 section 7.2) or direct-streamlocal@openssh.com (PROTOCOL of OpenSSH, section 2.4).
func parseForward(kind string, payload []byte) (op gate.Op, to gate.Destination, ok bool) {
	if kind == "direct-streamlocal@openssh.com" {
		var m struct {
			Path     string
			Reserved string
			Unused   uint32
		}
		err := ssh.Unmarshal(payload, &m)
		return gate.OpForwardUnix, gate.Destination{Path: m.Path}, err == nil
	}
	var m struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}
	err := ssh.Unmarshal(payload, &m)
	return gate.OpForwardLocal, gate.Destination{Host: m.Host, Port: uint16(m.Port)}, err == nil && m.Port < 1<<16
}
