package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	MaxMessage = 64 << 10 // bytes of JSON in one datagram
	MaxFiles   = 8        // descriptors beside it
	MaxLarge   = 1 << 20  // bytes of a body that does not fit, in a sealed memory file

	maxInline = 32 << 10 // a larger body travels beside the datagram
)

// ErrMalformed says that the peer sent what is no message. The connection is not to be used further.
var ErrMalformed = errors.New("malformed message")

// Message is the envelope of everything that is sent.
type Message struct {
	ID    uint64          `json:"id,omitempty"` // a reply carries the ID of what it answers
	Type  string          `json:"type"`
	Body  json.RawMessage `json:"body,omitempty"`
	Files int             `json:"files,omitempty"` // how many descriptors come along
	Large bool            `json:"large,omitempty"` // the body is in a memory file, behind those descriptors

	Version int `json:"version,omitempty"` // of the protocol, in the first message of a connection: see Protocol; 0: the first
}

// Decode reads the body into v, refusing fields that v does not have.
func (m Message) Decode(v any) error {
	if err := decodeStrict(m.Body, v); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrMalformed, m.Type, err)
	}
	return nil
}

// Conn is one end of a connection. Send may be called by several goroutines at once, and Receive beside it by one.
type Conn struct {
	f      *os.File
	speaks atomic.Int64 // the version that the next message is to say; 0: none
}

// NewConn takes over a connected SOCK_SEQPACKET socket.
func NewConn(f *os.File) (*Conn, error) {
	pollable, err := Pollable(f)
	if err != nil {
		return nil, err
	}
	return &Conn{f: pollable}, nil
}

// NewBlockingConn takes over a connected SOCK_SEQPACKET socket that blocks, for a process that lives a few milliseconds: it
// spares the start of the runtime's poller. Close does not end a Receive that waits, and there are no deadlines.
func NewBlockingConn(f *os.File) *Conn { return &Conn{f: f} }

// Pair makes two connected ends: one to keep, one to send to somebody.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "wire")
	ours, err := NewConn(os.NewFile(uintptr(fds[0]), "wire"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// Close ends the connection; a Receive that waits returns an error.
func (c *Conn) Close() error { return c.f.Close() }

// CloseRead has the peer send nothing more: what it has sent can be received, and then comes io.EOF. What it sends from now on fails.
func (c *Conn) CloseRead() error {
	raw, err := c.f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) { inner = unix.Shutdown(int(fd), unix.SHUT_RD) })
	return errors.Join(err, inner)
}

// SetDeadline bounds Send and Receive, as os.File does.
func (c *Conn) SetDeadline(t time.Time) error { return c.f.SetDeadline(t) }

// Speak has the first message say which version this side speaks: p's newest. It comes before Send.
func (c *Conn) Speak(p Protocol) {
	if p.Newest > 1 { // what says nothing is the first, as it was before there were versions
		c.speaks.Store(int64(p.Newest))
	}
}

// Send sends body, marshalled, under the given ID and type. The files stay the caller's to close.
func (c *Conn) Send(id uint64, kind string, body any, files ...*os.File) (err error) {
	version := c.speaks.Swap(0) // of two that send at once one says it
	defer func() {
		if err != nil && version != 0 {
			c.speaks.Store(version)
		}
	}()
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("cannot encode %s: %w", kind, err)
	}
	m := Message{ID: id, Type: kind, Body: raw, Files: len(files), Version: int(version)}
	if len(raw) > maxInline {
		sealed, err := seal(raw)
		if err != nil {
			return fmt.Errorf("cannot send %s: %w", kind, err)
		}
		defer sealed.Close()
		m.Body, m.Large, files = nil, true, append(slices.Clip(files), sealed)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("cannot encode %s: %w", kind, err)
	}
	if len(raw) > MaxLarge || m.Files > MaxFiles {
		return fmt.Errorf("cannot send %s: %d bytes and %d descriptors, at most %d and %d fit",
			kind, len(raw), m.Files, MaxLarge, MaxFiles)
	}
	var rights []byte
	if len(files) > 0 {
		rights = unix.UnixRights(descriptors(files)...)
	}
	err = c.write(func(fd int) error { return unix.Sendmsg(fd, data, rights, nil, unix.MSG_NOSIGNAL) })
	if err != nil {
		return fmt.Errorf("cannot send %s: %w", kind, err)
	}
	return nil
}

// Receive waits for a message. The files are the caller's to close. It returns io.EOF when the peer is gone.
func (c *Conn) Receive() (Message, []*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(4*(MaxFiles+1)))
	var buf []byte
	var n, oobn, flags int
	receive := func() error {
		return c.read(func(fd int) (err error) {
			// Most messages are short: a look at the length first is cheaper than room for the longest.
			if n, _, err = unix.Recvfrom(fd, nil, unix.MSG_PEEK|unix.MSG_TRUNC); err != nil {
				return err
			}
			buf = make([]byte, min(n, MaxMessage)+1)
			n, oobn, flags, _, err = unix.Recvmsg(fd, buf, oob, unix.MSG_CMSG_CLOEXEC)
			return err
		})
	}
	err := receive()
	if errors.Is(err, unix.ECONNRESET) {
		// The peer closed before it had read all. The kernel says so once, and then hands out what the peer had sent.
		err = receive()
	}
	if err != nil {
		if errors.Is(err, unix.ECONNRESET) {
			err = io.EOF
		}
		return Message{}, nil, err
	}
	files, err := received(oob[:oobn])
	if err != nil {
		return Message{}, nil, err
	}
	if n == 0 && len(files) == 0 {
		return Message{}, nil, io.EOF
	}
	m, err := parse(buf[:n], flags, len(files))
	if err == nil && m.Large {
		files, err = m.unseal(files)
	}
	if err != nil {
		CloseAll(files)
		return Message{}, nil, err
	}
	return m, files, nil
}

// Peer tells who connected the other end (SO_PEERCRED, unix(7)).
func (c *Conn) Peer() (*unix.Ucred, error) {
	var cred *unix.Ucred
	raw, err := c.f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return cred, errors.Join(err, inner)
}

// PeerLives reports whether the process that Peer names has not ended since it connected: then its pid is nobody else's. It needs
// Linux 6.5 (SO_PEERPIDFD, socket(7)).
func (c *Conn) PeerLives() (lives bool, err error) {
	raw, err := c.f.SyscallConn()
	if err != nil {
		return false, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		pidfd, failed := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD)
		if failed != nil {
			inner = failed
			return
		}
		defer unix.Close(pidfd)
		ended := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}} // pidfd_open(2)
		n, failed := unix.Poll(ended, 0)
		lives, inner = n == 0, failed
	})
	err = errors.Join(err, inner)
	return lives && err == nil, err
}

// CloseAll closes what came beside a message that is not wanted.
func CloseAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func parse(data []byte, flags, files int) (Message, error) {
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 || len(data) > MaxMessage {
		return Message{}, fmt.Errorf("%w: larger than %d bytes or %d descriptors", ErrMalformed, MaxMessage, MaxFiles)
	}
	var m Message
	if err := decodeStrict(data, &m); err != nil {
		return Message{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	announced := m.Files
	if m.Large {
		announced++
	}
	if m.Files < 0 || m.Files > MaxFiles || announced != files {
		return Message{}, fmt.Errorf("%w: %s announces %d descriptors, %d came", ErrMalformed, m.Type, announced, files)
	}
	return m, nil
}
