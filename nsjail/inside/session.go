package inside

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// session is a command that runs, or has ended, for a door that is still there. Its pid 1 only reaps; session init looks after
// it: tells the door how the command ended, passes signals on, and kills pid 1 when the door goes, or a while after. With it the
// kernel kills whatever is left in its pid namespace, setsid'ed and double-forked children included.
//
// Pid 1 keeps the pod root's ids, so that nothing in the session can trace it.
type session struct {
	pid1    int
	command atomic.Int64 // its pid, 0 once it has ended
	door    *wire.Conn
	master  *os.File // of the terminal; nil without
	status  *os.File
	groups  *groups
	group   *os.File

	agent    *offers // of connections to the caller's ssh-agent; nil: it is not there
	offering sync.WaitGroup

	told chan struct{}             // closed once the command's end is known, or that it will not be
	exit atomic.Pointer[wire.Exit] // how it ended; nil: it was killed
	host chan *wire.Conn           // where to say that all is over; comes once the session runs
}

// start makes what a session needs and starts it. It returns when the caller's command has been executed, with the terminal's
// master where there is one. The session waits in its end for its host.
func (i *sessionInit) start(e wire.Exec, files []*os.File) (s *session, master *os.File, err error) {
	v, err := newView(i.root, e.Home)
	if err != nil {
		return nil, nil, err
	}
	defer v.close()
	stdio, agent := files[1:], (*os.File)(nil)
	if e.Agent {
		stdio, agent = files[1:len(files)-1], files[len(files)-1]
	}
	if e.Terminal != nil {
		var slave *os.File
		if master, slave, err = openTerminal(v.pts, *e.Terminal); err != nil {
			return nil, nil, err
		}
		defer slave.Close()
		stdio = []*os.File{slave, slave, slave}
	}
	s = &session{groups: i.groups, told: make(chan struct{}), host: make(chan *wire.Conn, 1)}
	if agent != nil {
		err = s.bringAgent(v, agent)
	}
	if err == nil {
		s.group, err = i.groups.forSession(e.Session)
	}
	if err == nil {
		err = s.launch(i, e, v, stdio)
	}
	if err == nil {
		err = s.attend(files[0], master, i.present.arrive(e.Home), e.Linger)
	}
	if err != nil {
		s.end()
		if master != nil {
			master.Close()
		}
		return nil, nil, err
	}
	return s, master, nil
}

// launch writes the session's script and has it carried out.
func (s *session) launch(i *sessionInit, e wire.Exec, v *view, stdio []*os.File) error {
	report, told, err := reportSocket()
	if err != nil {
		return err
	}
	defer report.Close()
	status, written, err := os.Pipe()
	if err != nil {
		told.Close()
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	s.status = status
	memory, done := i.zygote.memory()
	defer done() // nothing of the session reads it then: it has executed the command, or is dead
	w := writer{memory: memory, program: i.program}
	script, err := w.write(i.confinement, e, v, stdio, told, written, s.group)
	if err == nil {
		s.pid1, err = i.zygote.carryOut(script.script, w.files)
	}
	told.Close()
	written.Close()
	if err != nil {
		return err
	}
	command, err := script.started(report)
	if err != nil {
		s.killPID1() // before its script's memory is another session's
		return err
	}
	s.command.Store(int64(command))
	return nil
}

// killPID1 ends all of the session's processes.
func (s *session) killPID1() {
	if s.pid1 == 0 {
		return
	}
	_ = unix.Kill(s.pid1, unix.SIGKILL) // our child, not waited for yet: the pid is still its own
	if err := waitFor(s.pid1); err != nil {
		fmt.Fprintf(os.Stderr, "forkgate-init: session: %v\n", err)
	}
	s.pid1 = 0
}

// attend looks after a session that runs, until its door goes.
func (s *session) attend(door, master *os.File, leave *visit, linger time.Duration) (err error) {
	defer func() {
		if err != nil {
			leave.over()
		}
	}()
	own, err := duplicate(int(door.Fd()))
	if err != nil {
		return err
	}
	if s.door, err = wire.NewConn(own); err != nil {
		return err
	}
	if master != nil {
		if s.master, err = duplicate(int(master.Fd())); err != nil {
			return err
		}
	}
	if s.agent != nil {
		s.offering.Go(s.agent.serve)
	}
	go s.tell()
	go func() {
		defer s.over()
		if err := s.obey(); err != nil {
			fmt.Fprintf(os.Stderr, "forkgate-init: session: %v\n", err)
		}
		leave.over()
		if linger > 0 {
			s.linger(leave, linger)
		}
	}()
	return nil
}

// tell tells the door how the command ended. A session that ends without a word, killed from outside, is the end of the
// door's socket.
func (s *session) tell() {
	defer close(s.told)
	var status [4]byte
	if _, err := io.ReadFull(s.status, status[:]); err != nil {
		s.door.Close()
		return
	}
	s.command.Store(0)
	exit := exitOf(unix.WaitStatus(*(*uint32)(unsafe.Pointer(&status))))
	s.exit.Store(&exit)
	_ = s.door.Send(0, wire.TypeExit, exit)
}

// over ends what is left of a session that ran, and then says so to the host: who runs the host's record need not ask a door.
func (s *session) over() {
	s.killPID1() // which wrote the command's status, if it was to be had
	<-s.told
	s.end()
	host := <-s.host
	defer host.Close()
	_ = host.Send(0, wire.TypeOver, wire.Over{Exit: s.exit.Load()}) // who has gone asks the kernel
}

// obey does what the door says until the door goes.
func (s *session) obey() error {
	for {
		m, files, err := s.door.Receive()
		wire.CloseAll(files)
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
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
			if s.master != nil {
				_ = setSize(int(s.master.Fd()), size)
			}
		case wire.TypeSignal:
			var signal wire.Signal
			if err := m.Decode(&signal); err != nil {
				return err
			}
			number, known := signalNumber(signal.Name)
			if command := s.command.Load(); known && command != 0 {
				_ = unix.Kill(-int(command), number) // it leads a process group
			}
		default:
			return fmt.Errorf("%w: %q from the door", wire.ErrMalformed, m.Type)
		}
	}
}

// end kills what is left of the session and gives back what it had. It is called once, whatever had been made.
func (s *session) end() {
	s.killPID1()
	if s.agent != nil {
		s.agent.close()
		s.offering.Wait()
	}
	if s.group != nil {
		s.groups.giveBack(s.group)
	}
	if s.door != nil {
		s.door.Close()
	}
	for _, f := range []*os.File{s.status, s.master} {
		if f != nil {
			f.Close()
		}
	}
}
