package inside

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// Descriptors that the stages start with. Orders come on the first; its end ends the stage.
const (
	fdOrders    = 3
	fdCgroup    = 4 // inits: the half's cgroup, detached
	fdControl   = 5 // session init: the listening control socket
	fdDocker    = 5 // machine: the listening socket of the Docker daemon
	fdDockerLog = 6 // and where the daemon prints
)

// Main runs the stage that the first argument names and returns the exit code.
func Main(args []string) int {
	forwards := map[string]func(network, address string) int{stageDial: dial, stageListen: listen}
	if len(args) == 4 && forwards[args[1]] != nil {
		return forwards[args[1]](args[2], args[3])
	}
	stages := map[string]func() error{
		"machine":    machine,
		"sessions":   sessions,
		"run-docker": runDocker,
	}
	if len(args) != 2 || stages[args[1]] == nil {
		fmt.Fprintln(os.Stderr, "forkgate-init: it is started by forkgate-pod, and does nothing by itself")
		return 2
	}
	if err := stages[args[1]](); err != nil {
		fmt.Fprintf(os.Stderr, "forkgate-init: %s: %v\n", args[1], err)
		return 1
	}
	return 0
}

// ordersConn opens the socket to the supervisor, without using the descriptor up: exec hands it on.
func ordersConn() (*wire.Conn, error) {
	own, err := duplicate(fdOrders)
	if err != nil {
		return nil, err
	}
	return wire.NewBlockingConn(own), nil
}

func duplicate(fd int) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("cannot use descriptor %d: %w", fd, err)
	}
	return os.NewFile(uintptr(dup), "fd "+strconv.Itoa(fd)), nil
}

// receive waits for a message of one type, with no descriptors.
func receive(conn *wire.Conn, kind string, body any) error {
	files, err := receiveWith(conn, kind, body)
	wire.CloseAll(files)
	return err
}

// receiveWith waits for a message of one type, with whatever descriptors come with it.
func receiveWith(conn *wire.Conn, kind string, body any) ([]*os.File, error) {
	m, files, err := conn.Receive()
	if err != nil {
		return files, fmt.Errorf("cannot get orders: %w", err)
	}
	if m.Type != kind {
		return files, fmt.Errorf("%w: %q instead of %q", wire.ErrMalformed, m.Type, kind)
	}
	return files, m.Decode(body)
}

// closeFrom has exec close every descriptor from fd on.
func closeFrom(fd uint) error {
	if err := unix.CloseRange(fd, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("cannot close descriptors: %w", err)
	}
	return nil
}
