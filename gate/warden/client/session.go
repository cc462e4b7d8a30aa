package client

import (
	"fmt"
	"os"

	"forkgate/gate"
	"forkgate/nsjail/wire"
)

// Session is a command or shell that runs in a pod. The bytes flow between the door and the session itself; the warden is out
// of the way.
type Session struct {
	ID     string
	Said   string   // for the caller; empty: nothing
	Stdin  *os.File // nil where there is a terminal
	Stdout *os.File
	Stderr *os.File
	Master *os.File // the terminal's master; nil where there are pipes

	Offers *wire.Conn // of an op forward-remote, in place of Stdin: what it says, and offers (wire.TypeListening)
	Agent  *wire.Conn // of connections to the caller's ssh-agent, in the same way; nil: it is not along

	Tape *Tape // where it is recorded; nil: it is not
	conn *wire.Conn
}

// newSession takes over the descriptors of an OpenReply.
func newSession(r OpenReply, files []*os.File, q OpenRequest) (_ *Session, err error) {
	want, terminal, listens := 4, q.Terminal != nil, q.Op == string(gate.OpForwardRemote)
	if terminal {
		want = 2
	}
	if r.Agent {
		want++
	}
	if len(files) != want {
		wire.CloseAll(files)
		return nil, fmt.Errorf("%w: a session has %d descriptors, not %d", wire.ErrMalformed, want, len(files))
	}
	s := &Session{ID: r.Session, Said: r.Said}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	t := taker{files: files}
	s.conn = t.conn()
	switch {
	case terminal:
		s.Master = t.file()
	case listens:
		s.Offers, s.Stdout, s.Stderr = t.conn(), t.file(), t.file()
	default:
		s.Stdin, s.Stdout, s.Stderr = t.file(), t.file(), t.file()
	}
	if r.Agent {
		s.Agent = t.conn()
	}
	return s, t.err
}

// taker takes over one descriptor after another. After the first that does not work it closes them.
type taker struct {
	files []*os.File
	err   error
}

func (t *taker) next() *os.File {
	f := t.files[0]
	t.files = t.files[1:]
	return f
}

func (t *taker) file() *os.File {
	f := t.next()
	if t.err != nil {
		f.Close()
		return nil
	}
	f, t.err = wire.Pollable(f)
	return f
}

func (t *taker) conn() *wire.Conn {
	f := t.next()
	if t.err != nil {
		f.Close()
		return nil
	}
	var c *wire.Conn
	c, t.err = wire.NewConn(f)
	return c
}

// Resize sets the size of the terminal.
func (s *Session) Resize(r wire.Resize) error { return s.conn.Send(0, wire.TypeResize, r) }

// Signal delivers a signal, by its name in RFC 4254.
func (s *Session) Signal(name string) error {
	return s.conn.Send(0, wire.TypeSignal, wire.Signal{Name: name})
}

// Wait waits for the command's end. It returns io.EOF when the session vanished without a word, as it does when its pod is
// killed.
func (s *Session) Wait() (wire.Exit, error) {
	m, files, err := s.conn.Receive()
	wire.CloseAll(files)
	if err != nil {
		return wire.Exit{}, err
	}
	if m.Type != wire.TypeExit {
		return wire.Exit{}, fmt.Errorf("%w: %q from a session", wire.ErrMalformed, m.Type)
	}
	var exit wire.Exit
	return exit, m.Decode(&exit)
}

// End ends the session, if it still runs. What it has printed can still be read.
func (s *Session) End() error { return s.conn.Close() }

// Close ends the session, if it still runs, and gives back its descriptors.
func (s *Session) Close() error {
	var err error
	if s.conn != nil {
		err = s.conn.Close()
	}
	for _, f := range []*os.File{s.Stdin, s.Stdout, s.Stderr, s.Master} {
		if f != nil {
			f.Close()
		}
	}
	for _, c := range []*wire.Conn{s.Offers, s.Agent} {
		if c != nil {
			c.Close()
		}
	}
	if s.Tape != nil {
		s.Tape.File.Close()
	}
	return err
}
