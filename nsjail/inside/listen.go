package inside

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// stageListen is a session that listens where its caller wants, and offers what connects to the door (offers).
const stageListen = "listen"

// socketMask has a socket be its owner's alone, as sshd_config(5) has it by StreamLocalBindMask.
const socketMask = 0o177

// listen listens, says where or why not, and offers what connects until the door wants no more.
func listen(network, address string) int {
	door, err := wire.NewConn(os.Stdin)
	if err != nil {
		return 1
	}
	listeners, err := listenAt(network, address)
	if err != nil {
		_ = door.Send(0, wire.TypeNo, wire.No{Error: refusal(err)})
		return 1
	}
	where := wire.Listening{}
	if tcp, ok := listeners[0].Addr().(*net.TCPAddr); ok {
		where.Port = uint16(tcp.Port)
	}
	if err := door.Send(0, wire.TypeListening, where); err != nil {
		return 1
	}
	newOffers(door, listeners).serve()
	return 0
}

// listenAt listens on a socket or a port: on every address, for the host *, and for localhost on both of its own.
func listenAt(network, address string) ([]net.Listener, error) {
	if network == "unix" {
		return alone(listenSocket(address))
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	switch host {
	case "*":
		return alone(net.Listen("tcp", net.JoinHostPort("", port)))
	case "localhost":
		return listenLocal(port)
	}
	return alone(net.Listen("tcp", address))
}

func alone(l net.Listener, err error) ([]net.Listener, error) {
	if err != nil {
		return nil, err
	}
	return []net.Listener{l}, nil
}

// listenLocal listens on the same port of 127.0.0.1 and ::1. Like sshd it is content with one of them.
func listenLocal(port string) (all []net.Listener, err error) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		l, failed := net.Listen("tcp", net.JoinHostPort(host, port))
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		all = append(all, l)
		port = fmt.Sprint(l.Addr().(*net.TCPAddr).Port) // which is for the next one, where any would do
	}
	if len(all) == 0 {
		return nil, err
	}
	return all, nil
}

// listenSocket listens on a socket at a path. One that lies there and that nobody listens on any more is what an earlier connection has left,
// and makes way.
func listenSocket(path string) (net.Listener, error) {
	unix.Umask(socketMask)
	path = socketPath(path)
	l, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	// To connect to a file or a directory is refused as well, and those are somebody's.
	if there, statErr := os.Lstat(path); statErr != nil || there.Mode().Type() != os.ModeSocket {
		return nil, err
	}
	if conn, dialled := net.Dial("unix", path); !errors.Is(dialled, syscall.ECONNREFUSED) {
		if dialled == nil {
			conn.Close()
		}
		return nil, err
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}

// socketPath is a path that is one for package net as well, to which @ begins a name that lies in no directory (unix(7)).
func socketPath(path string) string {
	if strings.HasPrefix(path, "@") {
		return "./" + path
	}
	return path
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
