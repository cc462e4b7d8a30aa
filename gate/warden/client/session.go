package client

import (
	"fmt"
	"io"
	"os"

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
	Tape   *Tape    // where it is recorded; nil: it is not
	conn   *wire.Conn
}

// newSession takes over the descriptors of an OpenReply.
func newSession(id string, files []*os.File, terminal bool) (*Session, error) {
	want := 4
	if terminal {
		want = 2
	}
	if len(files) != want {
		wire.CloseAll(files)
		return nil, fmt.Errorf("%w: a session has %d descriptors, not %d", wire.ErrMalformed, want, len(files))
	}
	for i, f := range files[1:] {
		pollable, err := wire.Pollable(f)
		if err != nil {
			wire.CloseAll(files)
			return nil, err
		}
		files[i+1] = pollable
	}
	conn, err := wire.NewConn(files[0])
	if err != nil {
		wire.CloseAll(files)
		return nil, err
	}
	s := &Session{ID: id, conn: conn}
	if terminal {
		s.Master = files[1]
	} else {
		s.Stdin, s.Stdout, s.Stderr = files[1], files[2], files[3]
	}
	return s, nil
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

// Close ends the session, if it still runs, and gives back its descriptors.
func (s *Session) Close() error {
	err := s.conn.Close()
	for _, f := range []io.Closer{s.Stdin, s.Stdout, s.Stderr, s.Master} {
		if f.(*os.File) != nil {
			f.Close()
		}
	}
	if s.Tape != nil {
		s.Tape.File.Close()
	}
	return err
}
