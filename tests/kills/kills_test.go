package kills_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/tests/need"
)

// detach leaves children that try to outlive their session: in a session of their own, twice forked, and deaf to SIGHUP.
const detach = `setsid sleep 4711 </dev/null >/dev/null 2>&1 & (setsid sh -c "sleep 4712 & sleep 4713 &" </dev/null >/dev/null 2>&1 &); nohup sleep 4714 </dev/null >/dev/null 2>&1 & `

// tools carry something each, with what then runs in the fork.
func (s *stage) tools() []struct {
	name, inside string
	argv         []string
} {
	ssh := func(args ...string) []string { return append([]string{"ssh", "-F", s.config}, args...) }
	to := func(program string, args ...string) []string {
		return append([]string{program, "-F", s.config}, args...)
	}
	rsync := []string{"rsync", "-W", "-e", "ssh -F " + s.config, "--rsync-path", detach + "rsync"}
	return []struct {
		name, inside string
		argv         []string
	}{
		{"ssh down", "cat /dev/zero", ssh("far", detach+"cat /dev/zero")},
		{"ssh up", "cat --show-all", []string{"sh", "-c", `exec ssh -F "$0" far "$1" </dev/zero >/dev/null`, s.config, detach + "cat --show-all >/dev/null"}},
		{"ssh on a terminal", "sleep 4799", ssh("-tt", "far", detach+"sleep 4799")},
		{"scp down", "sftp-server", to("scp", "far:big", "scp-down")},
		{"scp up", "sftp-server", to("scp", "up", "far:scp-up")},
		{"scp -O down", "scp -f big", to("scp", "-O", "far:big", "scp-O-down")},
		{"sftp down", "sftp-server", []string{"sh", "-c", `echo get big sftp-down | exec sftp -F "$0" -b - far`, s.config}},
		{"sftp up", "sftp-server", []string{"sh", "-c", `echo put up sftp-up | exec sftp -F "$0" -b - far`, s.config}},
		{"rsync down", "rsync --server --sender", append(rsync, "far:big", "rsync-down")},
		{"rsync up", "rsync --server -W", append(rsync, "up", "far:rsync-up")},
		{"git clone", "git-upload-pack", []string{"git", "clone", "-q", "-u", detach + "git-upload-pack", "far:repo.git", "clone"}},
		{"git push", "git-receive-pack", []string{"git", "-C", "push", "push", "-q", "--receive-pack", detach + "git-receive-pack", "far:repo.git", "HEAD:refs/heads/two"}},
		{"ssh -N -L", "", ssh("-N", "-o", "StreamLocalBindUnlink=yes", "-L", filepath.Join(s.dir, "socket")+":localhost:8000", "far")},
		{"ssh -R", "cat --number", ssh("-R", "9100:"+filepath.Join(s.dir, "feed"), "far", detach+"exec 3<>/dev/tcp/localhost/9100; cat --number <&3 >/dev/null")},
	}
}

// TestKills has all tools in the middle of a transfer, three times.
func TestKills(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	outer(t, s.SSH(t.Context(), "demo+kills@bot", "true").Args...)
	s.findFork(t)
	calm := s.inFork(t)
	if len(calm) == 0 {
		t.Fatal("the fork has no processes: nothing could be found left in it")
	}
	s.feed(t)
	for _, event := range []struct {
		name   string
		strike func(t *testing.T, all []*client)
		after  func(t *testing.T)
	}{
		{"clients killed", func(_ *testing.T, all []*client) { each(all, (*client).kill) }, func(*testing.T) {}},
		{"gate killed", func(t *testing.T, _ []*client) { s.killGate(t) }, func(*testing.T) {}},
		{"link down", func(t *testing.T, _ []*client) { s.link(t, "down") }, func(t *testing.T) { s.link(t, "up") }},
	} {
		t.Run(event.name, func(t *testing.T) {
			outer(t, s.SSH(t.Context(), "demo+kills@bot", "rm -rf scp-up sftp-up rsync-up; git -C repo.git update-ref -d refs/heads/two").Args...)
			before := s.settled(t)
			all, end := s.busy(t)
			event.strike(t, all)
			end()
			need.Eventually(t, "nothing of a session is left in the fork", func() bool {
				return slices.Equal(s.inFork(t), calm)
			})
			for i, c := range all {
				c.kill() // who has not noticed
				if err := <-c.ended; err == nil {
					t.Errorf("%s had carried everything before: nothing was cut", s.tools()[i].name)
				}
			}
			event.after(t)
			outer(t, s.SSH(t.Context(), "demo+kills@bot", "true").Args...)
			var left []string
			if !eventually(func() bool { left = more(s.holds(t), before); return len(left) == 0 }) {
				s.Must(t, "systemctl", "kill", "--signal", "QUIT", "forkgate-warden", "forkgate-gate") // the journal has their stacks
				t.Fatalf("gate and warden hold more than before: %q", left)
			}
			s.recordIsWhole(t)
		})
	}
	t.Run("sshd", s.sshdLeaves)
}

func each(all []*client, do func(*client)) {
	for _, c := range all {
		do(c)
	}
}

// busy starts every tool, and waits until each has somebody at the other end, and all of them have carried something.
func (s *stage) busy(t *testing.T) (all []*client, end func()) {
	t.Helper()
	outer(t, "sh", "-ec", `cd "$0"; rm -rf scp-down scp-O-down sftp-down rsync-down clone socket`, s.dir)
	end = s.serve(t)
	for _, tool := range s.tools() {
		before, ran := s.carried(t), s.count(t, tool.inside)
		c := s.start(t, tool.argv...)
		all = append(all, c)
		if tool.inside == "" {
			pull(t, filepath.Join(s.dir, "socket"))
		}
		need.Eventually(t, tool.name+" is under way", func() bool {
			if !c.runs() {
				t.Fatalf("%s has ended before anybody touched it: %v", tool.name, <-c.ended)
			}
			return s.carried(t) > before+1<<19 && (tool.inside == "" || s.count(t, tool.inside) > ran)
		})
	}
	return all, end
}

// count is how many processes of the fork begin like that.
func (s *stage) count(t *testing.T, inside string) (n int) {
	t.Helper()
	for _, p := range s.inFork(t) {
		if inside != "" && strings.Contains(p, inside) && !strings.Contains(p, "setsid") {
			n++
		}
	}
	return n
}

// killGate kills the gate, and waits until systemd has another one there.
func (s *stage) killGate(t *testing.T) {
	t.Helper()
	s.Must(t, "bash", "-ec", `pid() { systemctl show -P MainPID forkgate-gate; }
		old=$(pid); kill -KILL $old; for n in $(seq 300); do new=$(pid); test $new != 0 -a $new != $old && systemctl -q is-active forkgate-gate && exit; sleep 0.1; done; exit 1`)
}

// eventually is for what the test has more to say about than that it is not so.
func eventually(is func() bool) bool {
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(time.Second / 4) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// recordIsWhole checks that the record verifies, and that it has the end of every session that began.
func (s *stage) recordIsWhole(t *testing.T) {
	t.Helper()
	need.Eventually(t, "every session that began has ended", func() bool {
		open := map[string]bool{}
		for line := range strings.Lines(s.Must(t, "cat", "/var/lib/forkgate/audit/audit.jsonl")) {
			var l struct{ Event, Session string }
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("half a line in the record: %q", line)
			}
			switch l.Event {
			case "started":
				open[l.Session] = true
			case "ended":
				delete(open, l.Session)
			}
		}
		return len(open) == 0
	})
	s.Must(t, "forkgate", "audit", "verify")
}
