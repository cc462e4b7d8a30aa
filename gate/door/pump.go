package door

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

const (
	bufferSize = 128 << 10
	// eofDelay is how long end of file waits for the exit status, which by rights comes before it, once a command has
	// closed its output.
	eofDelay = 100 * time.Millisecond
	// lastWords is how long output may still come after a session vanished. What is left of it is not worth waiting for.
	lastWords = time.Second
)

// buffers is a free list; it holds nothing that anybody could miss.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// pump carries bytes, sizes and signals between client and session until the command has ended and all that it wrote has
// been sent. As with sshd, a process that stays behind and keeps stdout or stderr open keeps the channel open. When the client
// goes, the session ends at once, with all that runs in it.
func (s *session) pump(ctx context.Context, run *client.Session) (wire.Exit, error) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	defer run.Close()
	defer context.AfterFunc(ctx, func() { run.Close() })()

	var out sync.WaitGroup
	if run.Master != nil {
		s.spawn(&out, func() { _ = transfer(s.channel, run.Master) })
	} else {
		s.spawn(&out, func() { _ = transfer(s.channel, run.Stdout) })
		s.spawn(&out, func() { _ = transfer(s.channel.Stderr(), run.Stderr) })
	}
	s.spawn(&s.work, func() { s.feed(run) })
	s.spawn(&s.work, func() { s.wishes.deliver(ctx, run) })
	drained := make(chan struct{})
	s.spawn(&s.work, func() { out.Wait(); close(drained) })
	exited := make(chan ending, 1)
	s.spawn(&s.work, func() {
		end := ending{err: errVanished}
		defer func() { exited <- end }()
		end.exit, end.err = run.Wait()
	})
	return s.settle(ctx, run, exited, drained)
}

// spawn runs f beside the others that group waits for.
func (s *session) spawn(group *sync.WaitGroup, f func()) {
	group.Go(func() {
		defer s.c.survive("session")
		f()
	})
}

type ending struct {
	exit wire.Exit
	err  error
}

// settle waits for both the exit and the end of the output, in whatever order they come.
func (s *session) settle(ctx context.Context, run *client.Session, exited <-chan ending, drained <-chan struct{}) (wire.Exit, error) {
	var end ending
	select {
	case end = <-exited:
	case <-drained:
		select {
		case end = <-exited:
		case <-time.After(eofDelay):
			s.sendEOF()
			end = <-exited
		}
	}
	if end.err != nil && ctx.Err() != nil {
		return wire.Exit{}, context.Cause(ctx)
	}
	if end.err != nil {
		end.err = errors.Join(errVanished, end.err)
		for _, f := range []*os.File{run.Stdout, run.Stderr, run.Master} {
			if f != nil {
				_ = f.SetReadDeadline(time.Now().Add(lastWords))
			}
		}
	}
	<-drained
	return end.exit, end.err
}

// feed carries what the client sends to the command. Once the command reads no more, the rest is thrown away, so that a
// client that writes does not stop.
func (s *session) feed(run *client.Session) {
	to := run.Stdin
	if to == nil {
		to = run.Master
	}
	err := transfer(to, s.channel)
	if err == nil {
		// There is no such thing as closing one direction of a terminal.
		if run.Stdin != nil {
			run.Stdin.Close()
		}
		return
	}
	if strings.HasPrefix(string(s.who.ClientVersion), "SSH-2.0-OpenSSH") {
		_, _ = s.channel.SendRequest("eow@openssh.com", false, nil)
	}
	_, _ = io.Copy(io.Discard, s.channel)
}

// transfer copies until end of file. A terminal's master says EIO when the last process has closed it.
func transfer(to io.Writer, from io.Reader) error {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	// The structs hide ReadFrom and WriteTo of os.File, which would bring buffers of their own.
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, buffer[:])
	return err
}
