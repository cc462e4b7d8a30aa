package nsjail_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
	"forkgate/tests/shape"
)

// What the warden and doors say to what runs in pods, and hear from there, is what a pod of the version before knows: it runs for weeks.
func TestWhatPodsSayIsUnderstood(t *testing.T) {
	all := map[string]any{
		wire.TypeExec: wire.Exec{}, "executed": wire.Executed{}, wire.TypeNo: wire.No{}, wire.TypeOver: wire.Over{}, wire.TypeResize: wire.Resize{},
		wire.TypeSignal: wire.Signal{}, wire.TypeExit: wire.Exit{}, wire.TypeListening: wire.Listening{}, wire.TypeArrived: wire.Arrived{},
		wire.TypeVersions: wire.Versions{},
	}
	shape.Check(t, "pods", wire.Pods(), all, func(name string, body json.RawMessage) error { return shape.Strictly(all[name], body) })
}

// A spec that the version before wrote is read, and one of another version is not: what it does not know of could be what keeps somebody out.
func TestSpecsOfAnotherVersion(t *testing.T) {
	all := map[string]any{"spec": nsjail.Spec{}, "scrubbed": wire.Scrubbed{}}
	shape.Check(t, "specs", wire.Specs(), all, func(name string, body json.RawMessage) error { return shape.Strictly(all[name], body) })
	run := t.TempDir()
	if err := (nsjail.Spec{GUID: "00"}).Write(run); err != nil {
		t.Fatal(err)
	}
	if _, err := nsjail.ReadSpec(run, "00"); err != nil {
		t.Errorf("its own: %v", err)
	}
	later, _ := json.Marshal(nsjail.Spec{GUID: "00", Version: wire.Specs().Newest + 1})
	if err := os.WriteFile(filepath.Join(nsjail.Dir(run, "00"), "spec.json"), later, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := nsjail.ReadSpec(run, "00"); !errors.Is(err, wire.ErrVersion) || !strings.Contains(err.Error(), "systemctl restart") {
		t.Errorf("a later one: %v", err)
	}
}

// A pod of another version says so, and is not taken for one that does not run: that would be started, and it runs.
func TestAPodOfAnotherVersion(t *testing.T) {
	run, spec := t.TempDir(), nsjail.Spec{GUID: "00"}
	if err := spec.Write(run); err != nil {
		t.Fatal(err)
	}
	l, err := wire.Listen(nsjail.ControlSocket(run, spec.GUID), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	later := wire.Pods()
	later.Oldest, later.Newest = later.Newest+1, later.Newest+1
	refused := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			refused <- err
			return
		}
		defer conn.Close()
		m, files, err := conn.Receive()
		wire.CloseAll(files)
		refused <- errors.Join(err, later.Admit(conn, m))
	}()
	_, err = nsjail.Run(t.Context(), run, spec.GUID, nsjail.Exec{Session: "s"})
	if !errors.Is(err, wire.ErrVersion) || errors.Is(err, nsjail.ErrNotRunning) {
		t.Errorf("the host hears %v", err)
	}
	if err := <-refused; !errors.Is(err, wire.ErrVersion) {
		t.Errorf("the pod says %v", err)
	}
}
