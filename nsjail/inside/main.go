package inside

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/mount"
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
	stages := map[string]func() error{
		"machine":      func() error { return cross("run-machine", fdDockerLog) },
		"sessions":     func() error { return cross("run-sessions", fdControl) },
		"mount-proc":   mountProc,
		"run-machine":  machine,
		"run-sessions": sessions,
		"run-docker":   runDocker,
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

// cross waits in the host's tree until the pod's is complete, then locks it around itself and becomes the half's init, which has
// the descriptors up to the last.
func cross(next string, last uint) error {
	runtime.LockOSThread() // namespaces are a thread's; exec makes this thread the process
	orders, err := ordersConn()
	if err != nil {
		return err
	}
	// The supervisor has put this process into its cgroup: the namespace made now has that as its root.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("cannot make a cgroup namespace: %w", err)
	}
	if err := orders.Send(0, wire.TypeUnshared, struct{}{}); err != nil {
		return err
	}
	var order wire.Cross
	if err := receive(orders, wire.TypeCross, &order); err != nil {
		return err
	}
	// A mount namespace that belongs to a less privileged user namespace: every mount copied into it is locked to the
	// others, its flags and its place with it (mount_namespaces(7)).
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("cannot make a mount namespace: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("cannot enter the root: %w", err)
	}
	if err := unix.Sethostname([]byte(order.Hostname)); err != nil {
		return fmt.Errorf("cannot set the hostname: %w", err)
	}
	// Exec drops what the runtime has opened, and every thread that is still in the host's namespaces.
	if err := closeFrom(last + 1); err != nil {
		return err
	}
	return unix.Exec("/proc/self/exe", []string{"init", next}, nil)
}

// mountProc mounts a proc of the pid namespace it was born into on the directory it was given.
func mountProc() error {
	proc, err := mount.New("proc", mount.NoSUID|mount.NoDev|mount.NoExec)
	if err != nil {
		return err
	}
	return mount.Attach(proc, os.NewFile(fdOrders, "proc"))
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
	m, files, err := conn.Receive()
	wire.CloseAll(files)
	if err != nil {
		return fmt.Errorf("cannot get orders: %w", err)
	}
	if m.Type != kind {
		return fmt.Errorf("%w: %q instead of %q", wire.ErrMalformed, m.Type, kind)
	}
	return m.Decode(body)
}

// closeFrom has exec close every descriptor from fd on.
func closeFrom(fd uint) error {
	if err := unix.CloseRange(fd, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("cannot close descriptors: %w", err)
	}
	return nil
}
