package door

import (
	"bufio"
	"context"
	"errors"
	"io"
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
		_ = asked.Reject(ssh.ResourceShortage, "it has to be recorded, and cannot be")
		return
	}
	channel, requests, err := asked.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	var ways sync.WaitGroup
	// The channel's end, and not that of what the client sends: it may still read.
	ways.Go(func() {
		defer c.survive("forward")
		ssh.DiscardRequests(requests)
		gone()
	})
	ways.Go(func() {
		defer c.survive("forward")
		c.inward(run, flow.in(channel))
	})
	c.outward(channel, flow.out(run.Stdout), run)
	over()
	channel.Close()
	ways.Wait()
}

// openForward asks the warden for it. A forward that was opened has to be let go.
func (c *connection) openForward(conn *ssh.ServerConn, asked ssh.NewChannel) (*client.Session, error) {
	op, to, ok := parseForward(asked.ChannelType(), asked.ExtraData())
	if !ok {
		return nil, errNowhere
	}
	if err := to.Check(op); err != nil {
		return nil, &gate.Refusal{Reason: err.Error()}
	}
	who, err := c.identity(conn)
	if err != nil {
		return nil, err
	}
	if gate.IsControl(string(who.User)) {
		return nil, &gate.Refusal{Reason: string(who.User) + " is no repository, and nothing is forwarded there"}
	}
	if err := c.holdForward(); err != nil {
		return nil, err
	}
	run, err := c.requestForward(who, client.OpenRequest{Op: string(op), Forward: to})
	if err != nil {
		c.log.Info("a forward is not opened", "op", op, "to", gate.Exact(to.Address()), "error", gate.Printable(err.Error()))
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
	q.Alone = c.single(who) && c.isAlone(c.ctx, who.ClientVersion)
	warden, err := c.warden.ready(c.ctx, who)
	if err != nil {
		return nil, err
	}
	return warden.Open(c.ctx, q)
}

// reject refuses a channel with the reason: clients show it behind "open failed".
func reject(asked ssh.NewChannel, err error) {
	if refusal, ok := gate.AsRefusal(err); ok {
		text := refusal.Reason
		if refusal.Hint != "" {
			text += " (hint: " + refusal.Hint + ")"
		}
		_ = asked.Reject(ssh.Prohibited, gate.Printable(text))
		return
	}
	text := "the gate failed"
	for _, known := range []error{errTooManyForwards, errNowhere} {
		if errors.Is(err, known) {
			text = known.Error()
		}
	}
	_ = asked.Reject(ssh.ResourceShortage, text)
}

// connected waits until a forward is, and returns why it is not.
func connected(run *client.Session) (why string) {
	_ = run.Stderr.SetReadDeadline(time.Now().Add(connectTimeout))
	said, err := bufio.NewReaderSize(io.LimitReader(run.Stderr, maxWhy), maxWhy).ReadString('\n')
	switch {
	case said == wire.ForwardOK:
		return ""
	case err != nil && !errors.Is(err, io.EOF) || said == "":
		return "nothing answers"
	}
	return gate.Printable(strings.TrimSpace(said))
}

// inward carries what the client sends, and its end of file. When nobody takes any more it is thrown away.
func (c *connection) inward(run *client.Session, channel io.Reader) {
	err := c.carry(run.Stdin, channel)
	run.Stdin.Close()
	if err != nil {
		_, _ = io.Copy(io.Discard, channel)
	}
}

// outward carries what comes from inside, and its end of file. The other direction goes on by itself, until what carries it ends.
func (c *connection) outward(channel ssh.Channel, from io.Reader, run *client.Session) {
	if err := c.carry(channel, from); err != nil {
		return
	}
	_ = channel.CloseWrite()
	_, _ = run.Wait()
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
