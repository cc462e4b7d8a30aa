package door

import (
	"bytes"
	"context"
	"time"

	"golang.org/x/crypto/ssh"
)

// channelHandler serves a channel until it ends.
type channelHandler func(*connection, *ssh.ServerConn, ssh.NewChannel)

// maxUnanswered is how many channels a client may have asked for beyond those that it may have open: they are refused, and it has not read that yet.
// One that asks without end and reads no answer would else have a goroutine of the gate's for each.
const maxUnanswered = 1024

// enter counts a channel in that a client asks for, until the returned function is called. Too many end the connection.
func (c *connection) enter() (leave func(), ok bool) {
	c.mu.Lock()
	most := int64(maxUnanswered + c.bounds.Sessions + c.bounds.Forwards)
	c.mu.Unlock()
	if c.asked.Add(1) > most {
		c.hangUp(errFlood)
		return nil, false // nor is it counted out: the connection is over
	}
	return func() { c.asked.Add(-1) }, true
}

// channelHandlers has the kinds of channels that the door knows (RFC 4254, and PROTOCOL of OpenSSH).
func channelHandlers() map[string]channelHandler {
	return map[string]channelHandler{
		"session":                        (*connection).session,
		"direct-tcpip":                   (*connection).forward,
		"direct-streamlocal@openssh.com": (*connection).forward,
		"tun@openssh.com":                (*connection).refuseTunnel,
	}
}

func (c *connection) refuseTunnel(_ *ssh.ServerConn, asked ssh.NewChannel) {
	_ = asked.Reject(ssh.Prohibited, "forkgate makes no tunnels (-w); it forwards ports (-L, -D) and sockets")
}

func (c *connection) unknownChannel(_ *ssh.ServerConn, asked ssh.NewChannel) {
	_ = asked.Reject(ssh.UnknownChannelType, "unknown channel type")
}

// session serves a session channel. A connection that could be a person's has one, and ends with it: who rides on it later, or on what
// is left of it, is not the person. Policy is asked about each forward by itself: the baseline permits people none in production.
func (c *connection) session(conn *ssh.ServerConn, asked ssh.NewChannel) {
	who, err := c.identity(conn)
	if err != nil {
		c.log.Error("cannot tell who speaks", "error", err)
		_ = asked.Reject(ssh.Prohibited, "nobody has authenticated")
		return
	}
	single, _ := c.meet(who) // the session hears what is wrong
	number, err := c.hold(single)
	if err != nil {
		_ = asked.Reject(ssh.ResourceShortage, err.Error())
		return
	}
	defer c.letSessionGo()
	channel, requests, err := asked.Accept()
	if err != nil {
		return
	}
	s := newSession(c, number, who, conn, channel)
	s.single = single
	s.serve(requests)
	if single {
		c.retire(errOneSession)
	}
}

// leaveTime is how long a client may take to hang up when its one session is over. It hangs up by itself; but one that is hung up on as soon as it has
// closed the session may hear of that before it has got so far, and says that the connection broke, as PuTTY does.
const leaveTime = 5 * time.Second

// promiseTimeout is how long a session of a person's waits for the promise that it is the only one. It is on its way before the
// session's first request is, and handed out beside it.
const promiseTimeout = time.Second

// isAlone reports whether the client has promised that its session is the only one. Only OpenSSH's word is waited for, and counts.
func (c *connection) isAlone(ctx context.Context, version []byte) bool {
	if !bytes.HasPrefix(version, []byte("SSH-2.0-OpenSSH_")) {
		return false
	}
	timeout := time.NewTimer(promiseTimeout)
	defer timeout.Stop()
	select {
	case <-c.alone:
		return true
	case <-ctx.Done():
	case <-timeout.C:
	}
	return false
}
