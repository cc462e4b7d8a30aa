package pod

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"forkgate/nsjail"
	"forkgate/tests/need"
)

// Where a session may leave work behind, what heeds no hang-up goes on for a while, for longer where its owner has come back, and then
// ends. That without the permission nothing is left is TestNothingOutlivesTheDoor.
func TestLinger(t *testing.T) {
	p := startPod(t)
	const linger = 2 * time.Second
	visit := func(command string) *nsjail.Session {
		s, err := nsjail.Run(t.Context(), p.run, p.guid, nsjail.Exec{
			Session: "s", Home: "alice.human", Command: []byte(command), Linger: linger,
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	file := func(name string) string { return filepath.Join(p.spec.Data, name) }
	exists := func(name string) bool { _, err := os.Stat(file(name)); return err == nil }
	beats := func() bool {
		must(t, os.RemoveAll(file("beat")))
		time.Sleep(200 * time.Millisecond)
		return exists("beat")
	}
	s := visit(`exec 2>/dev/null; trap "echo >hung-up; exit" HUP; setsid sh -c 'while :; do echo >beat; sleep 0.02; done' & while :; do echo >up; sleep 0.02; done`)
	need.Eventually(t, "both work", func() bool { return exists("up") && exists("beat") })
	s.Close()
	need.Eventually(t, "the command is told", func() bool { return exists("hung-up") })
	back := visit("sleep 100")
	time.Sleep(2 * linger)
	if !beats() {
		t.Error("what was left behind ended while its owner was there")
	}
	back.Close()
	need.Eventually(t, "it is gone", func() bool { return !beats() })
}
