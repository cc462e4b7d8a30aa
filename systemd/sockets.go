package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
)

// ErrNoSocket is the lack of a socket that systemd was to pass.
var ErrNoSocket = errors.New("systemd passed no such socket")

// Sockets are the sockets that systemd passed to this process (sd_listen_fds(3)), by their FileDescriptorName.
type Sockets map[string][]*os.File

// Inherited takes the sockets over. The first call has them all; they are not passed on to programs that this one starts.
func Inherited() Sockets {
	s := make(Sockets)
	for _, f := range activation.Files(true) {
		s[f.Name()] = append(s[f.Name()], f)
	}
	return s
}

// Take hands out a socket of any type, SOCK_SEQPACKET included, to a new owner. Of several with one name it takes them in the
// order of the unit file.
func (s Sockets) Take(name string) (*os.File, error) {
	files := s[name]
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoSocket, name)
	}
	s[name] = files[1:]
	return files[0], nil
}

// Listener hands out a listening stream socket.
func (s Sockets) Listener(name string) (net.Listener, error) {
	f, err := s.Take(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the listener has a copy
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the socket %s: %w", name, err)
	}
	return l, nil
}

// Close closes the sockets that nobody took.
func (s Sockets) Close() {
	for _, files := range s {
		for _, f := range files {
			f.Close()
		}
	}
	clear(s)
}
