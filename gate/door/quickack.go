package door

import (
	"net"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickAcks is how many times the option is set for a login, and again for each session that is opened later.
const quickAcks = 64

// quickAck has the kernel acknowledge at once what a TCP client sends. The client waits for these acknowledgements: its
// Nagle algorithm holds back each small message until the one before it is acknowledged, and Linux delays that by 40 ms. The
// option does not last (tcp(7)): the kernel goes back to delaying after an answer is sent, so it is set again and again for
// as long as a login takes, and not beyond, because it doubles the number of packets.
type quickAck struct {
	socket syscall.RawConn // nil for what is not TCP
	left   atomic.Int32
}

func newQuickAck(conn net.Conn) *quickAck {
	q := &quickAck{}
	if socket, ok := conn.(syscall.Conn); ok {
		q.socket, _ = socket.SyscallConn()
	}
	q.again()
	return q
}

func (q *quickAck) again() { q.left.Store(quickAcks) }

func (q *quickAck) arm() {
	if q.socket == nil || q.left.Load() <= 0 || q.left.Add(-1) < 0 {
		return
	}
	// It is an optimisation: a kernel that does not know it does no harm.
	_ = q.socket.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
