package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Dial connects to a listening socket by its path.
func Dial(path string) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot connect to %s: %w", path, err)
	}
	return NewConn(os.NewFile(uintptr(fd), path))
}

// Listener accepts connections.
type Listener struct{ c *Conn }

// Listen makes a socket at path, which must not exist, with the given mode.
func Listen(path string, mode os.FileMode) (*Listener, error) {
	f, err := ListenFile(path, mode)
	if err != nil {
		return nil, err
	}
	return NewListener(f)
}

// ListenFile is Listen for a socket that is to be handed on.
func ListenFile(path string, mode os.FileMode) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), path)
	if err := errors.Join(
		unix.Bind(fd, &unix.SockaddrUnix{Name: path}), os.Chmod(path, mode), unix.Listen(fd, unix.SOMAXCONN),
	); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	return f, nil
}

// NewListener takes over a listening SOCK_SEQPACKET socket, such as one that systemd passed.
func NewListener(f *os.File) (*Listener, error) {
	c, err := NewConn(f)
	if err != nil {
		return nil, err
	}
	return &Listener{c}, nil
}

// Accept waits for the next connection.
func (l *Listener) Accept() (*Conn, error) {
	var fd int
	err := l.c.read(func(listening int) (err error) {
		fd, _, err = unix.Accept4(listening, unix.SOCK_CLOEXEC)
		return err
	})
	if err != nil {
		return nil, err
	}
	return NewConn(os.NewFile(uintptr(fd), "wire"))
}

// Close stops accepting; an Accept that waits returns an error. The path stays.
func (l *Listener) Close() error { return l.c.Close() }

// Pollable hands a socket, pipe or terminal to the runtime's poller, so that Close and deadlines end a call that waits. The
// file that comes in is used up.
func Pollable(f *os.File) (*os.File, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("cannot poll a descriptor: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot poll a descriptor: %w", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func (c *Conn) read(call func(fd int) error) error {
	raw, err := c.f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Read(func(fd uintptr) bool {
		inner = retry(int(fd), call)
		return inner != unix.EAGAIN
	})
	return outcome(err, inner)
}

func (c *Conn) write(call func(fd int) error) error {
	raw, err := c.f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Write(func(fd uintptr) bool {
		inner = retry(int(fd), call)
		return inner != unix.EAGAIN
	})
	return outcome(err, inner)
}

// outcome prefers what the poller says (closed, past the deadline) over the EAGAIN that made it wait.
func outcome(poller, call error) error {
	if poller == nil {
		return call
	}
	if errors.Is(poller, os.ErrDeadlineExceeded) {
		return poller
	}
	return os.ErrClosed
}

func retry(fd int, call func(fd int) error) error {
	for {
		if err := call(fd); err != unix.EINTR {
			return err
		}
	}
}

func descriptors(files []*os.File) []int {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = -1 // a closed file: sendmsg says EBADF
		if raw, err := f.SyscallConn(); err == nil {
			// Not Fd(), which would make a pollable file block.
			_ = raw.Control(func(fd uintptr) { fds[i] = int(fd) })
		}
	}
	return fds
}

// received unpacks what came beside a datagram. Whatever is not a descriptor is ignored, as nobody asks for it.
func received(oob []byte) ([]*os.File, error) {
	parts, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	var files []*os.File
	for _, part := range parts {
		fds, err := unix.ParseUnixRights(&part)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}
