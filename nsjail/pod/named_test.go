package pod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail"
	"forkgate/nsjail/wire"
	"forkgate/tests/need"
)

// A session is ended from outside: all of it, and nothing else. It is found by its name, by who never started it, and its group is the next
// one's, which no late end of the first one touches.
func TestASessionIsEndedByName(t *testing.T) {
	p := startPod(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	deaf := `trap "" HUP TERM INT; setsid sh -c 'trap "" HUP TERM INT; while :; do touch %s; sleep 0.02; done' & while :; do sleep 1; done`
	run := func(session string) {
		s, err := nsjail.Run(ctx, p.run, p.guid, nsjail.Exec{Session: session, Home: "alice.agent", Command: []byte(replaced(deaf, session))})
		must(t, err)
		t.Cleanup(s.Close)
		need.Eventually(t, session+" works", func() bool { return beats(p, session) })
	}
	lives := func(want ...string) {
		t.Helper()
		living, err := nsjail.Living(p.cgroup)
		must(t, err)
		if slices.Sort(living); !slices.Equal(living, want) {
			t.Errorf("%q live, not %q", living, want)
		}
		for _, session := range []string{"ended", "beside", "next"} {
			if one, err := nsjail.Lives(p.cgroup, session); one != slices.Contains(want, session) || err != nil {
				t.Errorf("%s lives: %v, %v", session, one, err)
			}
		}
	}
	run("ended")
	first := groupOf(t, p, "ended")
	run("beside")
	lives("beside", "ended")
	must(t, nsjail.EndSession(ctx, p.cgroup, "ended"))
	if beats(p, "ended") {
		t.Error("something of it works on")
	}
	lives("beside")
	need.Eventually(t, "its group is the next session's", func() bool {
		s, err := nsjail.Run(ctx, p.run, p.guid, nsjail.Exec{Session: "next", Home: "alice.agent", Command: []byte(replaced(deaf, "next"))})
		must(t, err)
		if groupOf(t, p, "next") == first {
			t.Cleanup(s.Close)
			return true
		}
		s.Close()
		need.Eventually(t, "it has ended", func() bool { one, err := nsjail.Lives(p.cgroup, "next"); return !one && err == nil })
		return false
	})
	must(t, nsjail.EndSession(ctx, p.cgroup, "ended")) // again: there is nothing to do
	for _, other := range []string{"beside", "next"} {
		if !beats(p, other) {
			t.Errorf("%s has ended as well", other)
		}
	}
	lives("beside", "next")
	p.prints(t, "echo the pod goes on", "the pod goes on\n")
}

// groupOf is the group that bears the session's name.
func groupOf(t *testing.T, p *testPod, session string) string {
	t.Helper()
	top := filepath.Join(p.cgroup, nsjail.SessionsGroup)
	groups, err := os.ReadDir(top)
	must(t, err)
	for _, g := range groups {
		var name [64]byte
		n, err := unix.Lgetxattr(filepath.Join(top, g.Name()), "user.forkgate.session", name[:])
		if err == nil && string(name[:n]) == session {
			return g.Name()
		}
	}
	t.Fatalf("no group bears the name %q", session)
	return ""
}

// The pod says when nothing is left of a session, and how its command ended.
func TestAPodTellsOfASessionsEnd(t *testing.T) {
	p := startPod(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	run := func(session, command string) *nsjail.Session {
		s, err := nsjail.Run(ctx, p.run, p.guid, nsjail.Exec{Session: session, Home: "alice.agent", Command: []byte(command)})
		must(t, err)
		t.Cleanup(s.Close)
		return s
	}
	of := func(s *nsjail.Session) string {
		exit, err := s.End.Wait()
		switch {
		case err != nil:
			return err.Error()
		case exit == nil:
			return "killed"
		}
		return fmt.Sprintf("%d %s", exit.Code, exit.Signal)
	}
	quick := run("quick", "exit 7")
	wire.CloseAll(quick.Files) // its door goes at once, be it before or after the end
	if got := of(quick); got != "7 " && got != "killed" {
		t.Errorf("a command whose door goes: %q", got)
	}
	slow := run("slow", "(sleep 0.3; touch late) & exit 3")
	door, err := wire.NewConn(slow.Files[0])
	must(t, err)
	if m, _, err := door.Receive(); err != nil || m.Type != wire.TypeExit {
		t.Fatalf("the door hears %v, %v", m, err)
	}
	if lives, err := nsjail.Lives(p.cgroup, "slow"); !lives || err != nil {
		t.Errorf("what it left behind: %v, %v", lives, err)
	}
	door.Close()
	if got := of(slow); got != "3 " {
		t.Errorf("a command that left something behind: %q", got)
	}
	if lives, err := nsjail.Lives(p.cgroup, "slow"); lives || err != nil {
		t.Errorf("it is over, and lives: %v, %v", lives, err)
	}
	killed := run("killed", "sleep 1000")
	must(t, nsjail.EndSession(ctx, p.cgroup, "killed"))
	if got := of(killed); got != "killed" && got != "0 KILL" {
		t.Errorf("one that was killed: %q", got)
	}
}

// A name is a few letters, and no path.
func TestNamesOfSessions(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../machine", "a/b", "A", "x\x00", "é", strings.Repeat("x", 65)} {
		if err := nsjail.Name(nil, name); !errors.Is(err, nsjail.ErrName) {
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
