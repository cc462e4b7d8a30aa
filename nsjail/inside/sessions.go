package inside

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// maxStarting is how many sessions are started at once; more wait their turn in the socket's queue.
const maxStarting = 64

// sessions is pid 1 of the half that callers' work runs in. It answers on the control socket until the supervisor goes.
func sessions() error {
	orders, err := ordersConn()
	if err != nil {
		return err
	}
	groups := os.NewFile(fdCgroup, "cgroup")
	control, err := wire.NewListener(os.NewFile(fdControl, "control"))
	if err != nil {
		return err
	}
	if err := loadFilter(machineFilter()); err != nil {
		return err
	}
	if err := orders.Send(0, wire.TypeReady, struct{}{}); err != nil {
		return err
	}
	go func() {
		_ = untilEnd(orders)
		control.Close()
	}()
	starting := make(chan struct{}, maxStarting)
	for {
		conn, err := control.Accept()
		if errors.Is(err, os.ErrClosed) {
			return nil // pid 1 ends, and with it every session
		}
		if err != nil {
			return fmt.Errorf("cannot accept on the control socket: %w", err)
		}
		starting <- struct{}{}
		go func() {
			defer func() { <-starting }()
			defer conn.Close()
			answer(conn, groups)
		}()
	}
}

// answer starts what one connection asks for.
func answer(conn *wire.Conn, groups *os.File) {
	m, files, err := conn.Receive()
	if err != nil {
		return
	}
	defer wire.CloseAll(files)
	master, err := execute(m, files, groups)
	if err != nil {
		fmt.Fprintf(os.Stderr, "forkgate-init: sessions: %v\n", err)
		_ = conn.Send(m.ID, wire.TypeNo, wire.No{Error: err.Error()})
		return
	}
	if master == nil {
		_ = conn.Send(m.ID, wire.TypeExec, wire.Executed{})
		return
	}
	defer master.Close()
	_ = conn.Send(m.ID, wire.TypeExec, wire.Executed{}, master)
}

func execute(m wire.Message, files []*os.File, groups *os.File) (*os.File, error) {
	if m.Type != wire.TypeExec {
		return nil, fmt.Errorf("%w: %q", wire.ErrMalformed, m.Type)
	}
	var e wire.Exec
	if err := m.Decode(&e); err != nil {
		return nil, err
	}
	want := 4 // the session's socket, stdin, stdout, stderr
	if e.Terminal != nil {
		want = 1
	}
	if len(files) != want {
		return nil, fmt.Errorf("%w: %d descriptors for a session, not %d", wire.ErrMalformed, want, len(files))
	}
	return startSession(e, files, groups)
}

func makeGroup(top *os.File, name string) (*os.File, error) {
	if err := unix.Mkdirat(int(top.Fd()), name, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make cgroup %s: %w", name, err)
	}
	fd, err := unix.Openat(int(top.Fd()), name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open cgroup %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// removeGroup kills what is left in a group (there should be nothing: the session's pid 1 is gone) and removes it.
func removeGroup(top, group *os.File) {
	defer group.Close()
	if fd, err := unix.Openat(int(group.Fd()), "cgroup.kill", unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
		_, _ = unix.Write(fd, []byte("1"))
		unix.Close(fd)
	}
	_ = unix.Unlinkat(int(top.Fd()), group.Name(), unix.AT_REMOVEDIR)
}
