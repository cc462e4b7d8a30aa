package inside

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// stageDial is a session that is somebody's forward into the pod: as confined as any other, it connects to where the caller wants and carries bytes. So what it
// reaches is what a command in its place would, and what ends sessions ends it.
const stageDial = "dial"

// dialTimeout is how long it waits for an answer; names are looked up within it.
const dialTimeout = 20 * time.Second

// dial connects, says how that went, and carries bytes until both directions have ended, each by itself.
func dial(network, address string) int {
	if network == "unix" {
		address = socketPath(address)
	}
	conn, err := net.DialTimeout(network, address, dialTimeout)
	if err != nil {
		fmt.Fprint(os.Stderr, refusal(err))
		return 1
	}
	gone := make(chan os.Signal, 1)
	signal.Notify(gone, unix.SIGHUP) // the client's end is over: what it has sent goes on, and nothing back
	go func() {
		<-gone
		closeRead(conn)
	}()
	fmt.Fprint(os.Stderr, wire.ForwardOK)
	carry(conn, os.Stdin, os.Stdout)
	return 0
}

// closeRead has nothing come from a connection any more, while what it is to get still goes there.
func closeRead(conn net.Conn) {
	if half, ok := conn.(interface{ CloseRead() error }); ok {
		_ = half.CloseRead()
	}
}

// carry carries what it reads from in to a connection, and what comes from that to out, until both directions have ended, each by itself.
// It closes the files.
func carry(conn net.Conn, in, out *os.File) {
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(out, conn)
		out.Close()
	})
	if _, err := io.Copy(conn, in); err == nil {
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	in.Close() // who writes notices
	back.Wait()
}

// refusal says why a connection cannot be made, in the words that ssh's users know.
func refusal(err error) string {
	var name *net.DNSError
	var number syscall.Errno
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "unknown host"
	case errors.As(err, &name):
		return "the name cannot be looked up"
	case errors.As(err, &number):
		return number.Error()
	case errors.Is(err, os.ErrDeadlineExceeded), os.IsTimeout(err):
		return "connection timed out"
	}
	return "cannot connect"
}
