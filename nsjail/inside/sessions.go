package inside

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/threads"
	"forkgate/nsjail/wire"
)

// maxStarting is how many sessions are started at once; more wait their turn in the socket's queue.
const maxStarting = 64

// sessionInit is pid 1 of the half that callers' work runs in.
type sessionInit struct {
	root        *os.File
	program     *os.File // this one, for sessions that are forwards
	groups      *groups
	confinement *confinement
	zygote      *zygoteProcess
	present     present
}

// sessions answers on the control socket until the supervisor goes. With it ends every session: it is their pid 1's pid 1.
func sessions() error {
	orders, err := ordersConn()
	if err != nil {
		return err
	}
	control, err := wire.NewListener(os.NewFile(fdControl, "control"))
	if err != nil {
		return err
	}
	if err := errors.Join(coverSys(), prepareViews()); err != nil {
		return err
	}
	init := &sessionInit{groups: &groups{top: os.NewFile(fdCgroup, "cgroup")}}
	if init.root, err = os.OpenFile("/", unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
		return fmt.Errorf("cannot open the root: %w", err)
	}
	if init.program, err = os.Open("/proc/self/exe"); err != nil {
		return fmt.Errorf("cannot open the own program: %w", err)
	}
	if err := errors.Join(noCores(), loadFilter(machineFilter())); err != nil {
		return err
	}
	scope, err := newScope()
	if err != nil {
		return err
	}
	if init.confinement, err = newConfinement(scope != nil); err != nil {
		return err
	}
	if init.zygote, err = newZygote(scope); err != nil {
		return err
	}
	threads.Reserve() // before anybody is let in who could leave no room for one
	if err := orders.Send(0, wire.TypeReady, struct{}{}); err != nil {
		return err
	}
	go func() {
		_ = untilEnd(orders)
		control.Close()
	}()
	return init.serve(control)
}

// endWithoutZygote ends the half when the zygote is gone, without which it is of no use: the pod ends with it, and the next
// login starts a new one.
func endWithoutZygote(control *wire.Listener, err error) {
	if errors.Is(err, errNoZygote) {
		control.Close()
	}
}

func (i *sessionInit) serve(control *wire.Listener) error {
	starting := make(chan struct{}, maxStarting)
	for {
		conn, err := control.Accept()
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot accept on the control socket: %w", err)
		}
		starting <- struct{}{}
		go func() {
			defer func() { <-starting }()
			endWithoutZygote(control, i.answer(conn))
		}()
	}
}

// answer starts what one connection asks for. The connection is the session's then, to say on it when it is over.
func (i *sessionInit) answer(conn *wire.Conn) error {
	s, err := i.take(conn)
	if err != nil {
		conn.Close()
		return err
	}
	s.host <- conn
	return nil
}

func (i *sessionInit) take(conn *wire.Conn) (*session, error) {
	m, files, err := conn.Receive()
	if err != nil {
		return nil, err
	}
	defer wire.CloseAll(files)
	if err := wire.Pods().Admit(conn, m); err != nil {
		fmt.Fprintf(os.Stderr, "forkgate-init: sessions: %v\n", err)
		return nil, err
	}
	if err := conn.Send(m.ID, wire.TypeTaken, struct{}{}); err != nil {
		return nil, err
	}
	s, master, err := i.execute(m, files)
	if err != nil {
		fmt.Fprintf(os.Stderr, "forkgate-init: sessions: %v\n", err)
		return nil, errors.Join(err, conn.Send(m.ID, wire.TypeNo, wire.No{Error: err.Error()}))
	}
	var back []*os.File
	if master != nil {
		defer master.Close()
		back = append(back, master)
	}
	// The host that has gone before it hears of it closes the session's other end as well.
	if err := conn.Send(m.ID, wire.TypeExec, wire.Executed{}, back...); err != nil {
		fmt.Fprintf(os.Stderr, "forkgate-init: sessions: %v\n", err)
	}
	return s, nil
}

func (i *sessionInit) execute(m wire.Message, files []*os.File) (*session, *os.File, error) {
	if m.Type != wire.TypeExec {
		return nil, nil, fmt.Errorf("%w: %q", wire.ErrMalformed, m.Type)
	}
	var e wire.Exec
	if err := m.Decode(&e); err != nil {
		return nil, nil, err
	}
	if e.Forward != nil && (e.Terminal != nil || len(e.Command) > 0 || e.Agent) {
		return nil, nil, fmt.Errorf("%w: a session that is a forward runs nothing else", wire.ErrMalformed)
	}
	want := 4 // the session's socket, stdin, stdout, stderr
	if e.Terminal != nil {
		want = 1
	}
	if e.Agent {
		want++
	}
	if len(files) != want {
		return nil, nil, fmt.Errorf("%w: %d descriptors for a session, not %d", wire.ErrMalformed, len(files), want)
	}
	return i.start(e, files)
}

// coverSys covers, for all sessions, what of sysfs none has any business with. It is theirs to see, and read-only, already.
func coverSys() error {
	masks, err := existing([]mask{{path: "/sys/firmware"}, {path: "/sys/devices/virtual/powercap"}})
	if err != nil {
		return err
	}
	for _, m := range masks {
		if err := unix.Mount("tmpfs", m.path, "tmpfs", readOnly, "mode=555,size=4k"); err != nil {
			return fmt.Errorf("cannot cover %s: %w", m.path, err)
		}
	}
	return nil
}
