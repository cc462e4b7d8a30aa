package attestor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// What the kernel tells of processes: include/uapi/linux/cn_proc.h, include/uapi/linux/connector.h. pids are thread groups'.
const (
	cnIdxProc, cnValProc = 1, 1
	procListen           = 1 // PROC_CN_MCAST_LISTEN

	procNone   = 0x00000000 // the answer to procListen
	procFork   = 0x00000001
	procExec   = 0x00000002
	procPtrace = 0x00000100
	procComm   = 0x00000200
	procExit   = 0x80000000
)

// event is one of them. Other is the parent of a new process, or who traces one.
type event struct {
	what       uint32
	pid, other int
	comm       string
	when       time.Duration // of CLOCK_MONOTONIC
}

// errLost says that the kernel has dropped events, because nobody read them in time.
var errLost = errors.New("events of the kernel were lost")

// eventSocket receives them. The kernel puts an event into the socket before what it tells of goes on, so whoever has emptied the
// socket knows all that has happened before.
type eventSocket struct{ fd int }

// queueSize is how much the kernel may store for us, in bytes: a few ten thousand events.
const queueSize = 32 << 20

// openEvents needs CAP_NET_ADMIN and the machine's first pid, user and network namespaces; elsewhere the kernel says nothing.
func openEvents() (*eventSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for processes: %w", err)
	}
	s := &eventSocket{fd}
	if err := s.listen(); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot listen for processes: %w", err)
	}
	return s, nil
}

func (s *eventSocket) listen() error {
	if err := unix.Bind(s.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: cnIdxProc}); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queueSize); err != nil {
		return err
	}
	const length = unix.SizeofNlMsghdr + 20 + 4 // struct cn_msg, enum proc_cn_mcast_op
	m := binary.NativeEndian.AppendUint32(nil, length)
	m = binary.NativeEndian.AppendUint16(m, unix.NLMSG_DONE)
	m = append(m, make([]byte, 10)...) // flags, sequence number, port: the kernel fills in ours
	for _, word := range []uint32{cnIdxProc, cnValProc, 0, 0} {
		m = binary.NativeEndian.AppendUint32(m, word)
	}
	m = binary.NativeEndian.AppendUint16(m, 4) // the length of what follows
	m = binary.NativeEndian.AppendUint16(m, 0)
	m = binary.NativeEndian.AppendUint32(m, procListen)
	if err := unix.Sendto(s.fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for deadline := time.Now().Add(2 * time.Second); ; {
		if time.Now().After(deadline) {
			return errors.New("the kernel does not answer: this is not the machine's first pid namespace")
		}
		if err := s.wait(100); err != nil {
			return err
		}
		e, ok, err := s.next()
		if err != nil && !errors.Is(err, errLost) {
			return err
		}
		if ok && e.what == procNone {
			return nil
		}
	}
}

// wait waits for events, some milliseconds at most.
func (s *eventSocket) wait(milliseconds int) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, milliseconds)
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

// next takes an event that is there already; ok is false where there is none.
func (s *eventSocket) next() (e event, ok bool, err error) {
	var buffer [1024]byte
	for {
		n, from, err := unix.Recvfrom(s.fd, buffer[:], 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return event{}, false, nil
		case errors.Is(err, unix.ENOBUFS):
			return event{}, false, errLost
		case err != nil:
			return event{}, false, err
		}
		// Only the kernel has port 0; others may send to this socket as well.
		if sender, isNetlink := from.(*unix.SockaddrNetlink); !isNetlink || sender.Pid != 0 {
			continue
		}
		if e, ok := parseEvent(buffer[:n]); ok {
			return e, true, nil
		}
	}
}

// parseEvent reads a message; ok is false for what is of no interest here, such as the end of a thread.
func parseEvent(b []byte) (e event, ok bool) {
	const header = unix.SizeofNlMsghdr + 20 // nlmsghdr, cn_msg
	const body = header + 16                // what, cpu, time
	if len(b) < body+8 || binary.NativeEndian.Uint32(b[16:]) != cnIdxProc || binary.NativeEndian.Uint32(b[20:]) != cnValProc {
		return event{}, false
	}
	word := func(i int) uint32 {
		if at := body + 4*i; at+4 <= len(b) {
			return binary.NativeEndian.Uint32(b[at:])
		}
		return 0
	}
	e.what = binary.NativeEndian.Uint32(b[header:])
	e.when = time.Duration(binary.NativeEndian.Uint64(b[header+8:]))
	thread, process := word(0), word(1)
	e.pid = int(process)
	switch e.what {
	case procNone:
		return e, true
	case procFork:
		e.other, e.pid = int(process), int(word(3))
		return e, word(2) == word(3) // a new thread is no new process
	case procExec:
		return e, true
	case procPtrace:
		e.other = int(word(3))
		return e, true
	case procComm:
		name, _, _ := bytes.Cut(b[body+8:min(body+24, len(b))], []byte{0})
		e.comm = string(name)
		return e, thread == process
	case procExit:
		return e, thread == process
	}
	return event{}, false
}

func (s *eventSocket) close() error { return unix.Close(s.fd) }

// monotonic is the clock of the events: ktime_get_ns() in the kernel's drivers/connector/cn_proc.c.
func monotonic() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return math.MaxInt64 // nothing is soon
	}
	return time.Duration(now.Nano())
}
