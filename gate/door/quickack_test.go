package door_test

import (
	"net"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/tests/need"
)

// TestQuickAck logs in with stock ssh at a door and, as the control, at one that cannot tell the kernel to acknowledge at once.
// There the client waits for delayed acknowledgements, 40 ms at least each (TCP_DELACK_MIN, include/net/tcp.h). It is the
// kernel's own word that counts, at each read: a clock would tell how busy the machine is.
func TestQuickAck(t *testing.T) {
	need.Tools(t, "ssh")
	at := &ackCount{}
	without := &ackCount{}
	doors := map[*ackCount]*place{
		at:      openBehind(t, func(l net.Listener) net.Listener { return countingListener{l, at, true} }),
		without: openBehind(t, func(l net.Listener) net.Listener { return countingListener{l, without, false} }),
	}
	for _, p := range doors {
		if got := run(t, p.ssh("ssh", "-l", "demo", "host", "true"), ""); got.Code != 0 {
			t.Fatalf("%+v", got)
		}
	}
	t.Logf("reads with a delayed acknowledgement: %d of %d, and %d of %d without the option",
		at.delayed.Load(), at.reads.Load(), without.delayed.Load(), without.reads.Load())
	// On a busy machine the kernel goes back to delaying between two reads, now and then.
	if at.reads.Load() == 0 || at.delayed.Load() > without.delayed.Load()/4 {
		t.Errorf("%d of %d reads wait with acknowledgements delayed", at.delayed.Load(), at.reads.Load())
	}
	if without.delayed.Load() == 0 {
		t.Error("nothing is delayed without the option: this test shows nothing")
	}
}

// ackCount counts the reads of a login that begin while the kernel delays acknowledgements.
type ackCount struct{ reads, delayed atomic.Int32 }

// countingListener counts for each connection, and shows or hides from the door that it is TCP.
type countingListener struct {
	net.Listener
	count *ackCount
	shown bool
}

func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := countingConn{conn.(*net.TCPConn), l.count}
	if !l.shown {
		return struct{ net.Conn }{c}, nil
	}
	return c, nil
}

type countingConn struct {
	*net.TCPConn
	count *ackCount
}

func (c countingConn) Read(p []byte) (int, error) {
	c.count.reads.Add(1)
	if c.delays() {
		c.count.delayed.Add(1)
	}
	return c.TCPConn.Read(p)
}

// delays asks for TCP_QUICKACK, which is 0 while the kernel delays (do_tcp_getsockopt, net/ipv4/tcp.c).
func (c countingConn) delays() bool {
	var socket syscall.RawConn
	quick := 1
	socket, err := c.SyscallConn()
	if err == nil {
		_ = socket.Control(func(fd uintptr) { quick, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK) })
	}
	return quick == 0
}
