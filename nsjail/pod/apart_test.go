package pod

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// A session that is apart is ended from outside: all of it, and nothing else. It is found by its name, by who never started it.
func TestASessionApartIsEnded(t *testing.T) {
	p := startPod(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	deaf := `trap "" HUP TERM INT; setsid sh -c 'trap "" HUP TERM INT; while :; do touch %s; sleep 0.02; done' & while :; do sleep 1; done`
	for _, e := range []nsjail.Exec{
		{Session: "ended", Apart: true, Command: []byte(replaced(deaf, "ended"))},
		{Session: "beside", Apart: true, Command: []byte(replaced(deaf, "beside"))},
		{Session: "plain", Command: []byte(replaced(deaf, "plain"))},
	} {
		e.Home = "alice.agent"
		s, err := nsjail.Run(ctx, p.run, p.guid, e)
		must(t, err)
		t.Cleanup(s.Close)
		need.Eventually(t, e.Session+" works", func() bool { return beats(p, e.Session) })
	}
	if lives, err := nsjail.Lives(p.cgroup, "ended"); !lives || err != nil {
		t.Errorf("it lives: %v, %v", lives, err)
	}
	must(t, nsjail.EndSession(ctx, p.cgroup, "ended"))
	if beats(p, "ended") {
		t.Error("something of it works on")
	}
	if lives, err := nsjail.Lives(p.cgroup, "ended"); lives || err != nil {
		t.Errorf("it lives still: %v, %v", lives, err)
	}
	for _, other := range []string{"beside", "plain"} {
		if !beats(p, other) {
			t.Errorf("%s has ended as well", other)
		}
	}
	need.Eventually(t, "its group is gone", func() bool {
		_, err := os.Stat(filepath.Join(p.cgroup, nsjail.SessionsGroup, "apart-ended"))
		return errors.Is(err, os.ErrNotExist)
	})
	must(t, nsjail.EndSession(ctx, p.cgroup, "ended")) // again: there is nothing to do
	// The control: of one that is not apart nobody outside knows where it is.
	must(t, nsjail.EndSession(ctx, p.cgroup, "plain"))
	if !beats(p, "plain") {
		t.Error("a session that is not apart was ended by its name")
	}
	p.prints(t, "echo the pod goes on", "the pod goes on\n")
}

// A name is no path.
func TestNamesOfSessionsApart(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../machine", "a/b", "A", "x\x00", "é"} {
		if _, err := nsjail.SessionGroup(name); !errors.Is(err, nsjail.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
		if err := nsjail.EndSession(t.Context(), t.TempDir(), name); !errors.Is(err, nsjail.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// beats reports whether the session touches its file within a while.
func beats(p *testPod, session string) bool {
	file := filepath.Join(p.spec.Data, session)
	_ = os.Remove(file)
	for range 50 {
		if _, err := os.Stat(file); err == nil {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func replaced(script, file string) string { return strings.Replace(script, "%s", file, 1) }
