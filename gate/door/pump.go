package door

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/gate"
	"forkgate/gate/tape"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

const (
	bufferSize = 128 << 10
	// much is after how many bytes the pipe that they go by grows to pipeSize.
	much     = 1 << 20
	pipeSize = 1 << 20
	// eofDelay is how long end of file waits for the exit status, which by rights comes before it, once a command has closed its
	// output. A client that has nothing to send either closes the channel at end of file, and the library then closes it too: a
	// status that comes later is lost. So who has said that nothing more comes (ssh -n) gets no end of file before the status.
	eofDelay = 2 * time.Second
	// lastWords is how long output may still come after a session vanished. What is left of it is not worth waiting for.
	lastWords = time.Second
)

// pump carries bytes, sizes and signals between client and session until the command has ended and all that it wrote has
// been sent. As with sshd, a process that stays behind and keeps stdout or stderr open keeps the channel open. When the client
// goes, the session ends at once, with all that runs in it.
func (s *session) pump(ctx context.Context, op gate.Op, run *client.Session) (wire.Exit, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	defer run.Close()
	defer context.AfterFunc(ctx, func() { run.Close() })()

	recorder := s.record(run.Tape, fail)
	ways := s.ways(op, recorder)
	var out sync.WaitGroup
	if run.Master != nil {
		s.spawn(&out, func() { _ = s.transfer(ways.out, run.Master) })
	} else {
		s.spawn(&out, func() { _ = s.transfer(ways.out, &growing{from: run.Stdout, pipe: run.Stdout}) })
		s.spawn(&out, func() { _ = s.transfer(recorder.stream(tape.Errors, s.channel.Stderr()), run.Stderr) })
	}
	s.spawn(&s.work, func() { s.unread.stop(ctx, run) })
	s.spawn(&s.work, func() { s.feed(run, ways.in) })
	s.spawn(&s.work, func() { s.wishes.deliver(ctx, run, recorder.resize) })
	drained := make(chan struct{})
	s.spawn(&s.work, func() { out.Wait(); ways.close(); recorder.close(); close(drained) })
	exited := make(chan ending, 1)
	s.spawn(&s.work, func() {
		end := ending{err: errVanished}
		defer func() { exited <- end }()
		end.exit, end.err = run.Wait()
	})
	return s.settle(ctx, run, exited, drained)
}

// ways are the session's main stream: out to the client, and in to the command, which is wrapped when it is known.
type ways struct {
	out   io.Writer
	in    func(io.Writer) io.Writer
	close func()
}

// ways are recorded as they are, or, of files, as what is done to those.
func (s *session) ways(op gate.Op, r *recorder) ways {
	if op != gate.OpSFTP {
		return ways{r.stream(tape.Output, s.channel), func(to io.Writer) io.Writer { return to }, func() {}}
	}
	told := newTold(s.id, s.log, s.tellFiles)
	f := newFiles(r, told)
	s.spawn(&s.work, func() { told.run(s.c.ctx) })
	return ways{f.answers(s.channel), f.requests, f.close}
}

func (s *session) tellFiles(ctx context.Context, q client.FilesRequest) error {
	return s.c.warden.ask(ctx, func(w Warden) error { return w.Files(ctx, q) })
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
			if !s.saidAll.Load() {
				s.sendEOF()
			}
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
	s.unread.wait(drained)
	return end.exit, end.err
}

// feed carries what the client sends to the command. Once the command reads no more, the rest is thrown away, so that a
// client that writes does not stop.
func (s *session) feed(run *client.Session, in func(io.Writer) io.Writer) {
	to, from := run.Master, io.Reader(s.channel)
	if run.Stdin != nil {
		to, from = run.Stdin, &growing{from: s.channel, pipe: run.Stdin}
	}
	err := s.transfer(in(to), from)
	if err == nil {
		s.saidAll.Store(true)
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

// growing reads what goes by a pipe, into it or out of it. When that turns out to be much, the pipe gets the most room that anybody may
// give it (pipe(7)): with 64 KiB, door and command wait for each other most of the time. Not before, because the room for all
// pipes of a user is limited.
type growing struct {
	from io.Reader
	pipe *os.File
	seen int
}

func (g *growing) Read(p []byte) (int, error) {
	n, err := g.from.Read(p)
	if g.seen < much {
		if g.seen += n; g.seen >= much {
			enlarge(g.pipe)
		}
	}
	return n, err
}

func enlarge(pipe *os.File) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	// The kernel says no to a user who has very many pipes. Then it stays as it is.
	_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
}

// transfer copies until end of file. A terminal's master says EIO when the last process has closed it.
func (s *session) transfer(to io.Writer, from io.Reader) error { return s.c.carry(to, from) }

func (c *connection) carry(to io.Writer, from io.Reader) error {
	buffer := c.door.buffers.Get().(*[bufferSize]byte)
	defer c.door.buffers.Put(buffer)
	// Both hide ReadFrom and WriteTo of os.File, which would bring buffers of their own.
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, stirring{c, from}, buffer[:])
	return err
}
