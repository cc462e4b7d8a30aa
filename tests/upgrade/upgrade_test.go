package upgrade_test

import (
	"context"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/tests/host"
	"forkgate/tests/need"
)

func TestMain(m *testing.M) { need.Parallel(m) }

// stage is a host, with the programs of another version beside it.
type stage struct {
	*host.Host
	next string // the directory of those
	dir  string // of clients
	sum  string // of the file big in there, which the repository has as well
}

const (
	// policy has what taped does recorded. The gate is to take whoever comes from the one address that all come from.
	policy = `cat >/etc/forkgate/policy.d/taped.hcl <<'EOF'
permit "taped" {
  when   = target.fork && caller.principal == "taped" && contains(["shell", "exec"], op)
  record = "required"
}
EOF
systemctl reload forkgate-warden
mkdir -p /etc/systemd/system/forkgate-gate.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/bin/forkgate gate --max-startups-per-source 100 --penalty-exempt 127.0.0.0/8\n' >/etc/systemd/system/forkgate-gate.service.d/upgrade.conf
systemctl daemon-reload; systemctl restart forkgate-gate`

	// replace puts programs where those are that run, as a package manager does.
	replace = `cd "$0"; for p in forkgate lib/forkgate/forkgate-init lib/forkgate/forkgate-pod lib/forkgate/forkgate-scrub; do
	case $p in forkgate) to=/usr/bin/forkgate;; *) to=/usr/$p;; esac
	cp $(basename $p) $to.new; mv $to.new $to; done`

	// upgrade is what admin.md tells operators to do.
	upgrade = `systemctl restart forkgate-warden forkgate-net forkgate-egress; systemctl reload forkgate-gate`
)

func newStage(t *testing.T) *stage {
	t.Helper()
	need.Systemd(t)
	need.Tools(t, "ssh", "scp", "sftp", "rsync", "python3", "make", "gcc")
	s := &stage{Host: host.Start(t, host.Options{Agents: []string{"bot", "taped"}})}
	s.next, s.dir = filepath.Join(s.Dir, "next"), filepath.Join(s.Dir, "clients")
	outer(t, "make", "--silent", "-C", need.Checkout(t), "BIN="+s.next, "VERSION=next", "build")
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 12<<20)
	_, _ = rand.Read(big)
	if err := os.WriteFile(filepath.Join(s.dir, "big"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	s.sum = sumOf(big)
	s.Must(t, "sh", "-ec", policy)
	s.Must(t, "sh", "-ec", `mkdir /root/data; cp "$0/big" /root/data`, s.dir)
	s.Repo(t, "demo", "/root/data")
	for _, who := range []string{"demo+load@bot", "demo+tape@taped", "demo+chain@bot"} {
		outer(t, s.SSH(t.Context(), who, "true").Args...)
	}
	return s
}

func outer(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

// TestUpgrade has all of it on one host, one after the other: what is under way, then what breaks, and what a restart does.
func TestUpgrade(t *testing.T) {
	s := newStage(t)
	t.Run("under load", s.underLoad)
	t.Run("broken programs", s.brokenPrograms)
	t.Run("one after the other", s.chain)
	t.Run("an old gate dies", s.oldDies)
	t.Run("the new gate dies", s.newDies)
	t.Run("a restart", s.restart)
}

func (s *stage) underLoad(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	all := s.load(t, ctx)
	t.Logf("%d sessions are under way after %v", len(all), time.Since(began).Round(time.Second))
	visitors, knocks := s.visit(t), s.knock(t)
	old := s.mainPID(t)
	began = time.Now()
	s.Must(t, "sh", "-ec", replace, s.next)
	s.Must(t, "sh", "-ec", upgrade)
	took := time.Since(began)
	if s.mainPID(t) == old {
		t.Fatal("the main process is the old one")
	}
	s.newServes(t, old)
	t.Logf("the upgrade took %v; meanwhile and until now %d came in, and %d were greeted", took.Round(time.Millisecond), visitors(), knocks())
	for _, c := range all {
		if !c.runs() {
			t.Errorf("%s has ended: %v", c.name, <-c.ended)
			c.ended <- nil
		}
	}
	if !s.lives(old) {
		t.Error("the old gate has ended under its sessions")
	}
	outer(t, s.SSH(ctx, "demo+load@bot", "touch go").Args...)
	outer(t, s.SSH(ctx, "demo+tape@taped", "touch go").Args...)
	for _, c := range all {
		c.finish(t)
	}
	if got := outer(t, s.SSH(ctx, "demo+load@bot", "sha256sum <scp-up; sha256sum <rsync-up").Args...); got != strings.Repeat(s.sum+"  -\n", 2) {
		t.Errorf("what was sent there is %q, not twice %s", got, s.sum)
	}
	cancel() // the tunnel
	need.Eventually(t, "the old gate ends after its last connection", func() bool { return !s.lives(old) })
	s.unitIsWell(t)
	s.recordIsWhole(t)
}

// load starts 64 clients, a few at a time, and waits until all are under way. What comes to an end by itself is last.
func (s *stage) load(t *testing.T, ctx context.Context) (all []*client) {
	t.Helper()
	const others = 7
	for n := others; n < 64; n++ {
		who, options := "demo+load@bot", []string{}
		switch {
		case n%4 == 0:
			who = "demo+tape@taped"
		case n%8 == 1:
			options = []string{"-tt"}
		}
		c := s.streams(t, ctx, n, who, options...)
		all = append(all, c)
		if n%8 == 0 {
			need.Eventually(t, c.name+" is under way", c.begun)
		}
	}
	all = slices.Concat(all, s.forward(t, ctx), s.transfers(t, ctx))
	if len(all) != 64 {
		t.Fatalf("%d clients", len(all))
	}
	for _, c := range all {
		need.Eventually(t, c.name+" is under way", func() bool { return c.begun() || !c.runs() })
		if !c.runs() {
			t.Fatalf("%s has ended before anybody touched it: %v", c.name, <-c.ended)
		}
	}
	return all
}

// newServes shows that it is the new gate which lets people in: the old one stands still meanwhile.
func (s *stage) newServes(t *testing.T, old string) {
	t.Helper()
	s.Must(t, "kill", "-STOP", old)
	out, err := s.SSH(t.Context(), "demo+chain@bot", "echo new").CombinedOutput()
	s.Must(t, "kill", "-CONT", old)
	if err != nil || string(out) != "new\n" {
		t.Errorf("without the old gate: %v, %s", err, out)
	}
	if got := s.Must(t, "sh", "-ec", `journalctl --sync; journalctl -u forkgate-gate -g "serves who comes from now on" -o cat | tail -n 1`); !strings.Contains(got, "version=next") {
		t.Errorf("the journal has of the new gate: %q", got)
	}
	if got := s.Must(t, "sh", "-ec", `forkgate status | head -n 1`); !strings.Contains(got, "next") {
		t.Errorf("the warden is of version %q", got)
	}
}

// brokenPrograms lie on the disk when the gate is reloaded: it goes on as before.
func (s *stage) brokenPrograms(t *testing.T) {
	held, in := s.hold(t)
	old := s.mainPID(t)
	for what, program := range map[string]string{
		"no program":             "not a program",
		"one that ends at once":  "#!/bin/sh\necho broken >&2; exit 3\n",
		"one that knows nothing": "#!/bin/sh\nexec sleep 0.2\n",
	} {
		file := filepath.Join(s.dir, "broken")
		if err := os.WriteFile(file, []byte(program), 0o755); err != nil {
			t.Fatal(err)
		}
		// What asks for it has to be whole: it is another name of the same program.
		s.Must(t, "sh", "-ec", `cp -p /usr/bin/forkgate /usr/bin/forkgate.kept
			printf '[Service]\nExecReload=\nExecReload=/usr/bin/forkgate.kept gate reload\n' >/etc/systemd/system/forkgate-gate.service.d/broken.conf; systemctl daemon-reload
			cp "$0" /usr/bin/forkgate.new; mv /usr/bin/forkgate.new /usr/bin/forkgate`, file)
		got := s.Run(t.Context(), t, "systemctl", "reload", "forkgate-gate")
		s.Must(t, "sh", "-ec", `mv /usr/bin/forkgate.kept /usr/bin/forkgate; rm /etc/systemd/system/forkgate-gate.service.d/broken.conf; systemctl daemon-reload`)
		if got.Code == 0 {
			t.Errorf("%s: the reload says that all is well", what)
		}
		if s.mainPID(t) != old || !held.runs() {
			t.Errorf("%s: the gate is another one, or its session has ended", what)
		}
		outer(t, s.SSH(t.Context(), "demo+chain@bot", "true").Args...)
	}
	if got := s.Must(t, "sh", "-ec", `journalctl --sync; journalctl -u forkgate-gate -g "the gate goes on as it was" -o cat`); strings.Count(got, "\n") < 2 {
		t.Errorf("the journal has no reason: %q", got)
	}
	in.Close()
	held.finish(t)
	s.unitIsWell(t)
}

// chain has gates succeed each other, each with a session.
func (s *stage) chain(t *testing.T) {
	var gates []string
	var all []*client
	var ins []io.Closer
	for range 4 {
		c, in := s.hold(t)
		all, ins, gates = append(all, c), append(ins, in), append(gates, s.mainPID(t))
		s.Must(t, "systemctl", "reload", "forkgate-gate")
	}
	for i := range gates {
		if !s.lives(gates[i]) || !all[i].runs() {
			t.Errorf("gate %d, or its session, has ended", i)
		}
	}
	for i := range gates {
		ins[i].Close()
		all[i].finish(t)
		need.Eventually(t, "a gate ends after its last session", func() bool { return !s.lives(gates[i]) })
	}
	s.unitIsWell(t)
}

// oldDies: an old gate that is killed takes its own sessions, and nothing else.
func (s *stage) oldDies(t *testing.T) {
	c, in := s.hold(t)
	defer in.Close()
	old := s.mainPID(t)
	s.Must(t, "systemctl", "reload", "forkgate-gate")
	present := s.mainPID(t)
	other, otherIn := s.hold(t)
	s.Must(t, "kill", "-KILL", old)
	if err := <-c.ended; err == nil {
		t.Error("the session of a gate that was killed ended well: this shows nothing")
	}
	outer(t, s.SSH(t.Context(), "demo+chain@bot", "true").Args...)
	if s.mainPID(t) != present || !other.runs() {
		t.Error("the new gate has ended with the old one")
	}
	otherIn.Close()
	other.finish(t)
	s.unitIsWell(t)
}

// newDies: systemd notices that a gate has died which it has not started itself, while an older one is there.
func (s *stage) newDies(t *testing.T) {
	_, in := s.hold(t)
	defer in.Close()
	s.Must(t, "systemctl", "reload", "forkgate-gate")
	present := s.mainPID(t)
	s.Must(t, "kill", "-KILL", present)
	need.Eventually(t, "systemd notices", func() bool { return !s.active(t) })
	in.Close() // it waits for the old one
	need.Eventually(t, "there is another gate", func() bool {
		pid := s.mainPID(t)
		return pid != present && pid != "0" && s.active(t)
	})
	outer(t, s.SSH(t.Context(), "demo+chain@bot", "true").Args...)
}

// restart is the control: it ends sessions, those of older gates too.
func (s *stage) restart(t *testing.T) {
	before, in := s.hold(t)
	defer in.Close()
	s.Must(t, "systemctl", "reload", "forkgate-gate")
	after, in2 := s.hold(t)
	defer in2.Close()
	s.Must(t, "systemctl", "restart", "forkgate-gate")
	for _, c := range []*client{before, after} {
		if err := <-c.ended; err == nil {
			t.Error("a session has ended well under a restart")
		}
	}
}

// hold has a session that lasts until its input ends.
func (s *stage) hold(t *testing.T) (*client, io.Closer) {
	t.Helper()
	ssh := s.SSH(t.Context(), "demo+chain@bot", "echo here; cat")
	in, err := ssh.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said := new(first)
	said.came = make(chan struct{})
	c := start(t, "a session", ssh, said)
	select {
	case <-said.came:
	case err := <-c.ended:
		t.Fatalf("a session did not begin: %v", err)
	}
	return c, in
}

// first says when something was written.
type first struct {
	came chan struct{}
	some bool
}

func (f *first) Write(p []byte) (int, error) {
	if !f.some {
		close(f.came)
	}
	f.some = true
	return len(p), nil
}

func (s *stage) mainPID(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(s.Must(t, "systemctl", "show", "-P", "MainPID", "forkgate-gate"))
}

func (s *stage) active(t *testing.T) bool {
	t.Helper()
	return s.Run(t.Context(), t, "systemctl", "-q", "is-active", "forkgate-gate").Code == 0
}

// lives reports whether a process of the machine does, which is not this machine's.
func (s *stage) lives(pid string) bool {
	state, err := os.ReadFile(filepath.Join(s.Root(), "proc", pid, "stat"))
	return err == nil && !strings.Contains(string(state), ") Z ")
}

// unitIsWell checks that systemd has not had to start the gate anew, and that it has nothing to say about who tells it what.
func (s *stage) unitIsWell(t *testing.T) {
	t.Helper()
	if !s.active(t) {
		t.Error("the gate is not active")
	}
	if n := strings.TrimSpace(s.Must(t, "systemctl", "show", "-P", "NRestarts", "forkgate-gate")); n != "0" {
		t.Errorf("systemd has restarted the gate %s times", n)
	}
	if got := s.Must(t, "sh", "-c", `journalctl --sync; journalctl -u forkgate-gate -o cat | grep -e "Got notification" -e "not our child" -e left-over || true`); got != "" {
		t.Errorf("systemd says: %s", got)
	}
}

func (s *stage) recordIsWhole(t *testing.T) {
	t.Helper()
	s.Must(t, "forkgate", "audit", "verify")
	tapes := 0
	for line := range strings.Lines(s.Must(t, "forkgate", "recordings")) {
		if !strings.Contains(line, "demo:tape") || !strings.Contains(line, "exec exec 3") {
			continue
		}
		tapes++
		id := strings.Fields(line)[0]
		w := new(watched)
		_, _ = io.WriteString(w, s.Must(t, "forkgate", "replay", "--speed", "0", id)+"\n")
		if err := w.check(); err != nil {
			t.Errorf("the recording of %s: %v", id, err)
		}
	}
	if tapes < 10 {
		t.Errorf("%d recordings: %s", tapes, s.Must(t, "forkgate", "recordings"))
	}
}
