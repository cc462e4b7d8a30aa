package succession

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"forkgate/nsjail/wire"
)

// Config says how a successor is started.
type Config struct {
	Program  string              // its path
	Args     []string            // the first is its name
	Sibling  bool                // it becomes a child of this process's parent, which hears of its end: a service manager has to
	Announce func(pid int) error // tells the service manager, and returns when that knows; nil: nobody has to
	Patience time.Duration       // 30 s for it to be ready
}

// errEnded is a successor that ended before it was one. What it said of that went where this process's own words go.
var errEnded = errors.New("it ended before it was ready: its words are in the log")

// Succeed starts a successor, passes it the sockets, and returns its pid when it accepts: then this process is not to accept any more, and goes on
// with what it has. After an error nothing of the successor runs, and nothing has changed, unless it ends between its being announced and its serving: then
// the service manager takes the service for ended.
func Succeed(ctx context.Context, sockets Sockets, c Config) (pid int, err error) {
	conn, theirs, err := wire.Pair()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	child, err := c.start(theirs)
	theirs.Close() // from now on its end is the end of the connection
	if err != nil {
		return 0, fmt.Errorf("cannot start the successor: %w", err)
	}
	defer func() {
		if err != nil {
			_ = child.Kill() // by a descriptor of it: it may have ended, and been waited for
			err = fmt.Errorf("cannot be succeeded by %s, process %d: %w", c.Program, child.Pid, err)
		}
		_ = c.leave(child, err != nil)
	}()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	bound := c.Patience
	if bound == 0 {
		bound = patience
	}
	if err := conn.SetDeadline(time.Now().Add(bound)); err != nil {
		return 0, err
	}
	if err := hand(conn, sockets); err != nil {
		return 0, word(err)
	}
	if _, err := hear(conn, typeReady, &struct{}{}); err != nil {
		return 0, word(err)
	}
	// It is ready: what follows takes moments, and an end in the middle of it would be one of the service. So no time is left over from before.
	if err := conn.SetDeadline(time.Now().Add(2 * bound)); err != nil {
		return 0, err
	}
	if c.Announce != nil {
		if err := c.Announce(child.Pid); err != nil {
			return 0, err
		}
	}
	if err := conn.Send(0, typeServe, struct{}{}); err != nil {
		return 0, word(err)
	}
	if _, err := hear(conn, typeServing, &struct{}{}); err != nil {
		return 0, word(err)
	}
	return child.Pid, nil
}

// start starts the program with its end of the socket.
func (c Config) start(socket *os.File) (*os.Process, error) {
	attributes := &syscall.SysProcAttr{}
	if c.Sibling {
		// Who was started by a process of the service is not the service manager's child, and that would not hear of its end while this process
		// lives. This one cannot wait for it, and has nothing to wait for.
		attributes.Cloneflags = syscall.CLONE_PARENT
	}
	const theirs = 3 // behind the standard ones
	return os.StartProcess(c.Program, c.Args, &os.ProcAttr{
		Env:   append(os.Environ(), fmt.Sprintf("%s=%d", descriptorVariable, theirs)),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, socket},
		Sys:   attributes,
	})
}

// leave lets go of the successor, or waits for one that is to be none.
func (c Config) leave(child *os.Process, failed bool) error {
	if failed && !c.Sibling {
		_, err := child.Wait()
		return err
	}
	return child.Release()
}

// hand passes the sockets. Both processes have them then, and what connects waits until one of them accepts.
func hand(conn *wire.Conn, sockets Sockets) error {
	many := 0
	for _, all := range sockets {
		many += len(all)
	}
	if err := conn.Send(0, typeBegin, begin{Protocol: protocol, Sockets: many}); err != nil {
		return err
	}
	for name, all := range sockets {
		for _, l := range all {
			if err := pass(conn, name, l); err != nil {
				return err
			}
		}
	}
	return nil
}

func pass(conn *wire.Conn, name string, l net.Listener) error {
	if named, ok := l.(*net.UnixListener); ok {
		named.SetUnlinkOnClose(false) // its name is the successor's from now on, and stays where there is none
	}
	file, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return err
	}
	defer file.Close()
	return conn.Send(0, typeSocket, socket{name}, file)
}

// word says what the end of the connection means.
func word(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE):
		return errEnded
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("it was not ready in time")
	}
	return err
}
