package door

import (
	"context"
	"sync"
	"time"

	"forkgate/gate/warden/client"
)

// unread is a client's word that nobody reads a command's output any more, as in ssh host yes | head -1: eow@openssh.com
// (OpenSSH, PROTOCOL, section 2.1). Without it the command would wait for ever for somebody to read.
type unread struct {
	told chan struct{}
	once *sync.Once
}

func newUnread() unread { return unread{told: make(chan struct{}), once: new(sync.Once)} }

func (u unread) tell() { u.once.Do(func() { close(u.told) }) }

// stop gives a command that goes on writing SIGPIPE, as sshd does. A terminal cannot be half-closed.
func (u unread) stop(ctx context.Context, run *client.Session) {
	select {
	case <-u.told:
		if run.Stdout != nil {
			run.Stdout.Close()
		}
	case <-ctx.Done():
	}
}

// wait waits for the end of the output; of an unread one no longer than it takes to send what somebody does take.
func (u unread) wait(drained <-chan struct{}) {
	select {
	case <-drained:
		return
	case <-u.told:
	}
	select {
	case <-drained:
	case <-time.After(eofDelay):
	}
}
