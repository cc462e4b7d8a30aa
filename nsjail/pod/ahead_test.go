package pod

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// A pod that was built ahead lets nobody in before it is somebody's, and is taken once.
func TestSpareIsTakenOnce(t *testing.T) {
	p := startAhead(t)
	if _, err := nsjail.Run(t.Context(), p.run, p.guid, nsjail.Exec{Session: "early", Home: "alice.agent"}); !errors.Is(err, nsjail.ErrNotRunning) {
		t.Errorf("before it is taken: %v", err)
	}
	for _, init := range children(t, p.process.Process.Pid) {
		if program, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", init)); strings.Contains(program, "forkgate-init") {
			t.Errorf("%d runs something: %s", init, program)
		}
	}
	must(t, p.spec.Write(p.run))
	must(t, nsjail.Take(t.Context(), p.run, p.guid))
	p.prints(t, "hostname; echo mine >file && cat file", "demo-x\nmine\n")
	if err := nsjail.Take(t.Context(), p.run, p.guid); !errors.Is(err, nsjail.ErrNotRunning) {
		t.Errorf("a second time: %v", err)
	}
}

// What was built for one tree's ids becomes no other's.
func TestSpareIsNotAnothers(t *testing.T) {
	for what, spoil := range map[string]func(*nsjail.Spec){
		"ids":     func(s *nsjail.Spec) { s.SubUID += 65536 },
		"network": func(s *nsjail.Spec) { s.NetworkID += 64 },
		"no tree": func(s *nsjail.Spec) { s.Ahead = true },
		"no data": func(s *nsjail.Spec) { s.Data += "-not" },
	} {
		p := startAhead(t)
		spec := p.spec
		spoil(&spec)
		must(t, spec.Write(p.run))
		if err := nsjail.Take(t.Context(), p.run, p.guid); err == nil || errors.Is(err, nsjail.ErrNotRunning) {
			t.Errorf("%s: %v", what, err)
		}
		if err := p.process.Wait(); err == nil {
			t.Errorf("%s: the supervisor ends well", what)
		}
	}
}

// Nothing is left of a pod that nobody took, however it ends.
func TestSpareEnds(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		p := startAhead(t)
		inits := children(t, p.process.Process.Pid)
		if len(inits) != 2 {
			t.Fatalf("the pod has %d inits", len(inits))
		}
		must(t, p.process.Process.Signal(signal))
		if err := p.process.Wait(); signal == syscall.SIGTERM && err != nil {
			t.Errorf("the supervisor was told to end: %v", err)
		}
		need.Eventually(t, "the inits are gone", func() bool { return allGone(inits) })
	}
	p := startAhead(t)
	must(t, syscall.Kill(children(t, p.process.Process.Pid)[0], syscall.SIGKILL))
	if err := p.process.Wait(); err == nil {
		t.Error("the supervisor ends well although a half died")
	}
}
