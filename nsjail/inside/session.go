package inside

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// session is pid 1 of one session: it arranges what the session sees, starts the command, passes signals on, reaps, tells the
// door how the command ended, and ends with the door's socket. The kernel then kills whatever is left in its pid namespace,
// setsid'ed and double-forked children included.
//
// It keeps the pod root's identity, so that nothing in the session can trace it.
func session() error {
	orders, err := ordersConn()
	if err != nil {
		return err
	}
	var e wire.Exec
	if err := receive(orders, wire.TypeExec, &e); err != nil {
		return err
	}
	door, err := connection(fdSession)
	if err != nil {
		return err
	}
	if err := arrangeView(e.Home, os.NewFile(fdTerminal, "devpts")); err != nil {
		return err
	}
	pid, err := spawnCommand(e)
	if err != nil {
		return err
	}
	// The command alone holds its ends: the door sees their end when the session has none open any more.
	for fd := fdStdin; fd < fdMaster; fd++ {
		unix.Close(fd)
	}
	go reap(pid, door)
	return obey(door, pid, e.Terminal != nil)
}

// spawnCommand starts the last stage in a process session of its own, on the terminal where there is one.
func spawnCommand(e wire.Exec) (pid int, err error) {
	orders, theirs, err := wire.Pair()
	if err != nil {
		return 0, err
	}
	defer orders.Close()
	defer theirs.Close()
	pid, err = syscall.ForkExec("/proc/self/exe", []string{"init", "command"}, &syscall.ProcAttr{
		Env:   []string{},
		Files: []uintptr{fdStdin, fdStdin + 1, fdStdin + 2, theirs.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: e.Terminal != nil, Ctty: 0},
	})
	if err != nil {
		return 0, fmt.Errorf("cannot start the command: %w", err)
	}
	theirs.Close()
	if err := orders.Send(0, wire.TypeExec, e); err != nil {
		return 0, err
	}
	return pid, executed(orders)
}

// executed waits for the last stage to turn into the command: it says so, and then its end of the socket closes on exec.
func executed(orders *wire.Conn) error {
	said := ""
	for {
		m, files, err := orders.Receive()
		wire.CloseAll(files)
		switch {
		case err == nil && m.Type == wire.TypeReady && said == "":
			said = m.Type
		case errors.Is(err, io.EOF) && said == wire.TypeReady:
			return nil
		case err != nil:
			return fmt.Errorf("the last stage failed: %w", err)
		default:
			var no wire.No
			return errors.Join(fmt.Errorf("the last stage failed: %s", m.Body), m.Decode(&no))
		}
	}
}

// reap waits for everything that ends here, orphans too, and reports the command's end.
func reap(command int, door *wire.Conn) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return // nobody is left
		case pid == command:
			_ = door.Send(0, wire.TypeExit, exitOf(status))
		}
	}
}

// obey does what the door says until the door goes.
func obey(door *wire.Conn, command int, terminal bool) error {
	for {
		m, files, err := door.Receive()
		wire.CloseAll(files)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch m.Type {
		case wire.TypeResize:
			var size wire.Resize
			if err := m.Decode(&size); err != nil {
				return err
			}
			if terminal {
				_ = setSize(fdMaster, size)
			}
		case wire.TypeSignal:
			var s wire.Signal
			if err := m.Decode(&s); err != nil {
				return err
			}
			if number, ok := signalNumber(s.Name); ok {
				_ = unix.Kill(-command, number) // the command leads a process group
			}
		default:
			return fmt.Errorf("%w: %q from the door", wire.ErrMalformed, m.Type)
		}
	}
}
