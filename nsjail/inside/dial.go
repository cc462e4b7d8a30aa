package inside

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"forkgate/nsjail/wire"
)

// stageDial is a session that is somebody's forward: as confined as any other, it connects to where the caller wants and carries bytes. So what it
// reaches is what a command in its place would, and what ends sessions ends it.
const stageDial = "dial"

// dialTimeout is how long it waits for an answer; names are looked up within it.
const dialTimeout = 20 * time.Second

// dial connects, says how that went, and carries bytes until both directions have ended, each by itself.
func dial(network, address string) int {
	conn, err := net.DialTimeout(network, address, dialTimeout)
	if err != nil {
		fmt.Fprint(os.Stderr, refusal(err))
		return 1
	}
	fmt.Fprint(os.Stderr, wire.ForwardOK)
	var out sync.WaitGroup
	out.Go(func() {
		_, err := io.Copy(os.Stdout, conn)
		if err != nil {
			conn.Close() // nobody reads any more, or the peer is gone: neither direction goes on
		}
		os.Stdout.Close()
	})
	if _, err := io.Copy(conn, os.Stdin); err == nil {
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	os.Stdin.Close() // who writes notices
	out.Wait()
	return 0
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
