package door

import (
	"net"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"

	"forkgate/gate"
)

// speak serves the connection until it ends. This is the only file that knows gliderlabs/ssh, and uses it to run the
// handshake and to hand out channels and requests. Its context is never read: the user and the key that it shows are those
// of the first attempt, not those that were proved.
func (c *connection) speak() {
	if err := c.greet(); err != nil {
		c.failed(err)
		return
	}
	server := &ssh.Server{
		ServerConfigCallback:     func(ssh.Context) *gossh.ServerConfig { return c.serverConfig() },
		ConnectionFailedCallback: func(_ net.Conn, err error) { c.failed(err) },
		ChannelHandlers:          map[string]ssh.ChannelHandler{"default": c.handler((*connection).unknownChannel)},
		RequestHandlers: map[string]ssh.RequestHandler{
			"default": func(ctx ssh.Context, _ *ssh.Server, r *gossh.Request) (bool, []byte) {
				defer c.survive("request")
				conn, _ := ctx.Value(ssh.ContextKeyConn).(*gossh.ServerConn) // nil has proved nothing: see identity
				return c.take(conn, r)
			},
		},
	}
	for kind, handle := range channelHandlers() {
		server.ChannelHandlers[kind] = c.handler(handle)
	}
	server.HandleConn(c)
}

// handler adapts a method to gliderlabs/ssh.
func (c *connection) handler(handle channelHandler) ssh.ChannelHandler {
	return func(_ *ssh.Server, conn *gossh.ServerConn, asked gossh.NewChannel, _ ssh.Context) {
		defer c.survive("channel " + gate.Printable(asked.ChannelType()))
		defer c.enter()()
		c.watched.Do(func() { go c.keepAlive(conn) })
		handle(c, conn, asked)
	}
}
