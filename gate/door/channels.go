package door

import (
	"golang.org/x/crypto/ssh"
)

// channelHandler serves a channel until it ends.
type channelHandler func(*connection, *ssh.ServerConn, ssh.NewChannel)

// channelHandlers has the kinds of channels that the door knows (RFC 4254, and PROTOCOL of OpenSSH).
func channelHandlers() map[string]channelHandler {
	return map[string]channelHandler{
		"session":                        (*connection).session,
		"direct-tcpip":                   (*connection).refuseForward,
		"direct-streamlocal@openssh.com": (*connection).refuseForward,
		"tun@openssh.com":                (*connection).refuseForward,
	}
}

func (c *connection) refuseForward(_ *ssh.ServerConn, asked ssh.NewChannel) {
	_ = asked.Reject(ssh.Prohibited, "forwarding is not available yet")
}

func (c *connection) unknownChannel(_ *ssh.ServerConn, asked ssh.NewChannel) {
	_ = asked.Reject(ssh.UnknownChannelType, "unknown channel type")
}

// answer answers a request that concerns the connection as a whole. Forwards are among those refused; the protocol has no
// room for a reason there. So is no-more-sessions@openssh.com: requests and channels are handed out side by side, so nobody
// can tell which sessions came before it.
func (c *connection) answer(r *ssh.Request) bool { return r.Type == "keepalive@openssh.com" }

// session serves a session channel.
func (c *connection) session(conn *ssh.ServerConn, asked ssh.NewChannel) {
	number, err := c.hold()
	if err != nil {
		_ = asked.Reject(ssh.ResourceShortage, err.Error())
		return
	}
	defer c.letGo()
	who, err := c.identity(conn)
	if err != nil {
		c.log.Error("cannot tell who speaks", "error", err)
		_ = asked.Reject(ssh.Prohibited, "nobody has authenticated")
		return
	}
	channel, requests, err := asked.Accept()
	if err != nil {
		return
	}
	newSession(c, number, who, channel).serve(requests)
}
