package nsjail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/wire"
)

// ErrNotRunning says that nobody answers on the pod's control socket.
var ErrNotRunning = errors.New("the pod does not run")

// ErrDied says that the pod went away after it had taken the request: something may have run.
var ErrDied = errors.New("the pod died before it answered")

// Exec is what is to run in a pod, and for whom.
type Exec struct {
	Session  string         // names its lines in the log; EndSession and Lives find it by that
	Home     string         // PRINCIPAL.KIND: the caller's own home and /tmp inside
	Command  []byte         // for the shell; empty asks for a login shell
	Env      []string       // NAME=VALUE
	Terminal *wire.Terminal // nil: pipes
	Forward  *wire.Forward  // in place of a command
	Agent    bool           // bring the caller's ssh-agent along
	Linger   time.Duration  // how long what the session leaves behind lives on
}

// Session is what a door needs to pump a session's bytes: the session's socket and then stdin, stdout and stderr, or the
// terminal's master. One that listens has a socket in place of stdin, and the ssh-agent that comes along one behind all others, by which
// connections are offered (wire.TypeArrived).
type Session struct {
	GUID  string // of its pod
	Files []*os.File
	End   *End
}

// Close gives the descriptors back; without a copy elsewhere that ends the session.
func (s *Session) Close() {
	wire.CloseAll(s.Files)
	s.End.Close()
}

// End is where a pod says that nothing is left of a session.
type End struct{ conn *wire.Conn }

// ErrNoWord says that the pod went away without a word of a session's end.
var ErrNoWord = errors.New("the pod says nothing of the session's end")

// Wait waits for it, or until Close. It returns how the session's command ended; nil, if it was killed with the session.
func (e *End) Wait() (*wire.Exit, error) {
	if e == nil {
		return nil, ErrNoWord
	}
	m, files, err := e.conn.Receive()
	wire.CloseAll(files)
	if err == nil && m.Type != wire.TypeOver {
		err = fmt.Errorf("%w: %.40q where a session's end is to be", wire.ErrMalformed, m.Type)
	}
	var over wire.Over
	if err == nil {
		err = m.Decode(&over)
	}
	if err != nil {
		return nil, errors.Join(ErrNoWord, err)
	}
	return over.Exit, nil
}

// Close ends a Wait. The session goes on.
func (e *End) Close() {
	if e != nil {
		e.conn.Close()
	}
}

// Run has a running pod execute something. Each call is a connection of its own, so that a pod that hangs holds up
// one caller alone.
func Run(ctx context.Context, runDir, guid string, e Exec) (_ *Session, err error) {
	spec, err := ReadSpec(runDir, guid)
	if err != nil {
		return nil, errors.Join(ErrNotRunning, err)
	}
	ours, theirs, err := ends(spec, e)
	if err != nil {
		return nil, err
	}
	defer wire.CloseAll(theirs)
	session := &Session{GUID: guid, Files: ours}
	defer func() {
		if err != nil {
			session.Close()
		}
	}()
	request := wire.Exec{
		Session: e.Session, Home: e.Home, Dir: []byte(spec.Mountpoint), Command: e.Command, Terminal: e.Terminal,
		Forward: e.Forward, Agent: e.Agent, Linger: e.Linger,
	}
	for _, v := range e.Env {
		request.Env = append(request.Env, []byte(v))
	}
	conn, err := ask(ctx, ControlSocket(runDir, guid), wire.Pods(), request, theirs)
	if err != nil {
		return nil, fmt.Errorf("cannot run in pod %s: %w", guid, err)
	}
	session.End = &End{conn}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	master, err := answer(conn, e.Terminal != nil)
	if err != nil {
		return nil, fmt.Errorf("cannot run in pod %s: %w", guid, errors.Join(err, context.Cause(ctx)))
	}
	if master != nil {
		session.Files = slices.Insert(session.Files, 1, master)
	}
	return session, nil
}

// ask has a pod take a request. It may be of the build before: then it is asked once more, as that one is spoken to.
func ask(ctx context.Context, socket string, p wire.Protocol, request wire.Exec, files []*os.File) (*wire.Conn, error) {
	for {
		conn, err := askBy(ctx, socket, p, request, files)
		older, there := p.Older(err)
		if !there {
			return conn, err
		}
		p = older
	}
}

func askBy(ctx context.Context, socket string, p wire.Protocol, request wire.Exec, files []*os.File) (_ *wire.Conn, err error) {
	conn, err := wire.Dial(socket)
	if err != nil {
		return nil, errors.Join(ErrNotRunning, err)
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.Speak(p)
	if err := conn.Send(1, wire.TypeExec, request, files...); err != nil {
		return nil, err
	}
	switch err := taken(conn, p); {
	case errors.Is(err, wire.ErrVersion): // it runs: to start it would not help
		return nil, err
	case err != nil:
		return nil, errors.Join(ErrNotRunning, err, context.Cause(ctx))
	}
	return conn, nil
}

// ends makes the session's socket and pipes: the door's ends and the pod's. The host makes them, so that a door never reads
// from what a pod has chosen; a terminal's master is the one exception, and is checked.
func ends(spec Spec, e Exec) (ours, theirs []*os.File, err error) {
	defer func() {
		if err != nil {
			wire.CloseAll(ours)
			wire.CloseAll(theirs)
			ours, theirs = nil, nil
		}
	}()
	ways := []way{messages, inward, outward, outward}
	switch {
	case e.Terminal != nil:
		ways = ways[:1]
	case e.Forward != nil && e.Forward.Listen:
		ways[1] = messages
	}
	if e.Agent {
		ways = append(ways, messages)
	}
	for _, w := range ways {
		outer, inner, err := w.make(spec)
		ours, theirs = append(ours, outer), append(theirs, inner)
		if err != nil {
			return ours, theirs, err
		}
	}
	return ours, theirs, nil
}

// way is what connects a door and a session.
type way int

const (
	messages way = iota // a socket that carries them
	inward              // a pipe
	outward
)

// make makes one. What it has made before an error comes back with that, to be closed.
func (w way) make(spec Spec) (outer, inner *os.File, err error) {
	if w == messages {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot make a session's socket: %w", err)
		}
		return os.NewFile(uintptr(fds[0]), "session"), os.NewFile(uintptr(fds[1]), "session"), nil
	}
	outer, inner, err = os.Pipe()
	if w == inward {
		outer, inner = inner, outer
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a session's pipes: %w", err)
	}
	// Else the session could not open its own /dev/stdout: it belongs to who made it.
	if err := inner.Chown(int(spec.SubUID)+UID, int(spec.SubUID)+GID); err != nil {
		return outer, inner, fmt.Errorf("cannot give a session its pipes: %w", err)
	}
	// The session's programs expect pipes that block; the mode belongs to this end alone.
	if err := unix.SetNonblock(int(inner.Fd()), false); err != nil {
		return outer, inner, fmt.Errorf("cannot make a session's pipes block: %w", err)
	}
	return outer, inner, nil
}

// taken waits until the pod has got the request. A pod that dies before has run nothing, and another may be asked; one that dies
// after may have.
func taken(conn *wire.Conn, p wire.Protocol) error {
	m, files, err := conn.Receive()
	wire.CloseAll(files)
	if err == nil {
		err = p.Understood(m)
	}
	if err == nil && m.Type != wire.TypeTaken {
		err = fmt.Errorf("%w: the pod says %.40q first", wire.ErrMalformed, m.Type)
	}
	return err
}

// answer reads the pod's answer. It returns the terminal's master where there is to be one.
func answer(conn *wire.Conn, terminal bool) (*os.File, error) {
	m, files, err := conn.Receive()
	if errors.Is(err, io.EOF) {
		return nil, errors.Join(ErrDied, err)
	}
	if err != nil {
		return nil, err
	}
	if err := understood(m, files, terminal); err != nil {
		wire.CloseAll(files)
		return nil, err
	}
	if !terminal {
		return nil, nil
	}
	return files[0], nil
}

func understood(m wire.Message, files []*os.File, terminal bool) error {
	switch {
	case m.Type == wire.TypeNo:
		var no wire.No
		if err := m.Decode(&no); err != nil {
			return err
		}
		return fmt.Errorf("the pod says %.200q", no.Error)
	case m.Type != wire.TypeExec:
		return fmt.Errorf("%w: the pod answers with %.40q", wire.ErrMalformed, m.Type)
	case !terminal && len(files) == 0:
		return nil
	case terminal && len(files) == 1 && isMaster(files[0]):
		return nil
	}
	return fmt.Errorf("%w: the pod's answer has the wrong descriptors", wire.ErrMalformed)
}

// isMaster reports whether f is the master of a Unix98 terminal (major 5, minor 2) and nothing else that a pod might hand to
// a door to hang on.
func isMaster(f *os.File) bool {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && unix.Major(st.Rdev) == 5 && unix.Minor(st.Rdev) == 2
}
