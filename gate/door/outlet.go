package door

import (
	"errors"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"
)

// outlet is a channel that several may write to. The library's takes one writer at a time of each stream, which share a packet's buffer, and none
// while the end of file is sent.
type outlet struct {
	ssh.Channel
	output, errors sync.Mutex
}

var errWriting = errors.New("somebody is still writing")

func (o *outlet) Write(p []byte) (int, error) {
	o.output.Lock()
	defer o.output.Unlock()
	return o.Channel.Write(p)
}

func (o *outlet) Stderr() io.ReadWriter { return errorOutlet{o.Channel.Stderr(), &o.errors} }

// CloseWrite does not wait for writers, who may wait for a client that reads nothing: the end of the channel is the end for them too.
func (o *outlet) CloseWrite() error {
	for _, stream := range []*sync.Mutex{&o.output, &o.errors} {
		if !stream.TryLock() {
			return errWriting
		}
		defer stream.Unlock()
	}
	return o.Channel.CloseWrite()
}

type errorOutlet struct {
	io.ReadWriter
	mu *sync.Mutex
}

func (e errorOutlet) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ReadWriter.Write(p)
}
