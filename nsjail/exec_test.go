package nsjail_test

import (
	"errors"
	"testing"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// A pod that dies before it has the request ran nothing, and another may be asked; one that dies after may have.
func TestPodsThatDie(t *testing.T) {
	for what, c := range map[string]struct {
		takes bool
		want  error
	}{"before": {false, nsjail.ErrNotRunning}, "after": {true, nsjail.ErrDied}} {
		run, spec := t.TempDir(), nsjail.Spec{GUID: "00"}
		if err := spec.Write(run); err != nil {
			t.Fatal(err)
		}
		l, err := wire.Listen(nsjail.ControlSocket(run, spec.GUID), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		dies := make(chan error, 1)
		go func() { dies <- die(l, c.takes) }()
		_, err = nsjail.Run(t.Context(), run, spec.GUID, nsjail.Exec{Session: "s", Terminal: &wire.Terminal{}})
		if !errors.Is(err, c.want) || errors.Is(err, nsjail.ErrNotRunning) && errors.Is(err, nsjail.ErrDied) {
			t.Errorf("%s: %v", what, err)
		}
		if err := errors.Join(<-dies, l.Close()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func die(l *wire.Listener, takes bool) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	m, files, err := conn.Receive()
	wire.CloseAll(files)
	if err != nil || !takes {
		return err
	}
	return conn.Send(m.ID, wire.TypeTaken, struct{}{})
}
