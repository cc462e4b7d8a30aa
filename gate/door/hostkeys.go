package door

import (
	"context"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// By these a client learns of other keys of a host whose one it has seen (OpenSSH's PROTOCOL, section 2.5).
const (
	announceRequest = "hostkeys-00@openssh.com"
	proveRequest    = "hostkeys-prove-00@openssh.com"
)

// maxProved is how many keys a client has proved at a time, and maxProofs how often: a host has few, and a client asks once.
const maxProved, maxProofs = 16, 4

// oneString is what both are made of.
type oneString struct {
	This []byte
	Rest []byte `ssh:"rest"`
}

// announce tells the client which keys the host has, and will have.
func (c *connection) announce(conn *ssh.ServerConn) {
	defer c.survive("announcement")
	if len(c.announced) < 2 { // the client knows it
		return
	}
	var keys []byte
	for _, k := range c.announced {
		keys = append(keys, ssh.Marshal(oneString{This: k})...)
	}
	_, _, _ = conn.SendRequest(announceRequest, false, keys) // a client that has gone is noticed elsewhere
}

// prove shows that the host has the keys that the client asks about. The warden signs for no session but those whose handshake it has signed.
func (c *connection) prove(conn *ssh.ServerConn, asked []byte) (ok bool, reply []byte) {
	if c.proofs++; c.proofs > maxProofs {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, wardenTimeout)
	defer cancel()
	for many := 0; len(asked) > 0; many++ {
		var key oneString
		if ssh.Unmarshal(asked, &key) != nil || many == maxProved {
			return false, nil
		}
		var signed client.SignReply
		err := c.warden.ask(ctx, func(w Warden) (err error) {
			signed, err = w.Prove(ctx, client.ProveRequest{Key: key.This, SessionID: conn.SessionID()})
			return err
		})
		if err != nil {
			c.log.Warn("cannot prove a host key to a client", "error", gate.Printable(err.Error()))
			return false, nil
		}
		signature := ssh.Marshal(ssh.Signature{Format: signed.Format, Blob: signed.Blob})
		reply, asked = append(reply, ssh.Marshal(oneString{This: signature})...), key.Rest
	}
	return reply != nil, reply
}
