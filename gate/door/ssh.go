package door

import (
	"golang.org/x/crypto/ssh"

	"forkgate/gate"
)

// speak serves the connection until it ends. The loop of gliderlabs/ssh is not used: it gives no moment between a login and what the client asks
// for first, and the user and the key that it shows are those of the first attempt, not those that were proved.
func (c *connection) speak() {
	if err := c.greet(); err != nil {
		c.failed(err)
		return
	}
	conn, channels, requests, err := ssh.NewServerConn(c, c.serverConfig())
	if err != nil {
		c.failed(err)
		return
	}
	defer conn.Close()
	if agreed, ok := conn.Conn.(ssh.AlgorithmsConnMetadata); ok {
		c.joint.agreed(agreed.Algorithms().Write.Cipher)
	}
	go c.keepAlive(conn)
	c.announce(conn)
	for {
		select {
		case r, open := <-requests:
			if !open {
				requests = nil // channels end as well
				continue
			}
			c.answerOne(conn, r)
		case asked, open := <-channels:
			if !open {
				return
			}
			c.answerEarlier(conn, requests)
			c.begin(conn, asked)
		}
	}
}

// answerEarlier takes in what was asked of the connection before a channel was: the library has put it there before that, and only the two queues do
// not say so. A session waits for it (caughtUp).
func (c *connection) answerEarlier(conn *ssh.ServerConn, requests <-chan *ssh.Request) {
	for {
		select {
		case r, open := <-requests:
			if !open {
				return
			}
			c.answerOne(conn, r)
		default:
			return
		}
	}
}

// begin starts to serve a channel. It is counted here, and not where it is served: of a flood that is read already nothing is to begin. What is asked for
// then is taken in all the same, until the connection has ended: the library waits for that.
func (c *connection) begin(conn *ssh.ServerConn, asked ssh.NewChannel) {
	handle, known := channelHandlers()[asked.ChannelType()]
	if !known {
		handle = (*connection).unknownChannel
	}
	if leave, ok := c.enter(); ok {
		go c.handle(handle, conn, asked, leave)
	}
}

func (c *connection) answerOne(conn *ssh.ServerConn, r *ssh.Request) {
	defer c.survive("request")
	ok, reply := c.take(conn, r)
	_ = r.Reply(ok, reply)
}

func (c *connection) handle(handle channelHandler, conn *ssh.ServerConn, asked ssh.NewChannel, leave func()) {
	defer c.survive("channel " + gate.Printable(asked.ChannelType()))
	defer leave()
	handle(c, conn, asked)
}
