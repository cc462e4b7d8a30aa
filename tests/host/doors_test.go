package host_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/tests/host"
	"forkgate/tests/machine"
	"forkgate/tests/need"
	"forkgate/tests/ways"
)

// opens is what the host has beside ways.Opens: sudo and cron, which this machine need not have, a block of sshd's that is about nobody here, units of its own
// for sshd and logind, and build, who has the door that leads to forks.
const opens = `
DEBIAN_FRONTEND=noninteractive dpkg --install --force-confold --force-depends "$1"/*.deb >/dev/null
mkdir -p /etc/forkgate/authorized_keys
useradd --no-create-home --home-dir / --shell /usr/bin/forkgate --groups forkgate-accounts --password '*' build
cp "$2/bot.pub" /etc/forkgate/authorized_keys/build
cp /usr/share/doc/forkgate/sshd_config.d/forkgate.conf /etc/ssh/sshd_config.d/
printf 'Match LocalPort 2022\n    X11Forwarding no\n' >/etc/ssh/sshd_config.d/local.conf
printf '[Service]\nExecStart=/usr/sbin/sshd -D\nExecReload=/bin/kill -HUP $MAINPID\nRuntimeDirectory=sshd\nRuntimeDirectoryPreserve=yes\n' >/etc/systemd/system/ssh.service
cp "$2"/units/* /usr/lib/systemd/system/`

var entries = ways.Entries()

// tries has somebody come in by a way.
func tries(t *testing.T, h *host.Host, e ways.Entry) machine.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return h.Run(ctx, t, "bash", "-c", sshOf(h, "mallory")+e.Comes)
}

func sshOf(h *host.Host, key string) string { return ways.SSH(filepath.Join(h.Dir, key)) }

// ada runs a command as the admin does: by ssh, as root.
func ada(t *testing.T, h *host.Host, command string) machine.Result {
	t.Helper()
	return h.Run(t.Context(), t, "bash", "-c", sshOf(h, "ada")+`$ssh ada@127.0.0.1 "$0"`, command)
}

// shape is all that closing the doors could change, and what else there is beside it.
func shape(t *testing.T, h *host.Host) string {
	t.Helper()
	return h.Must(t, "sh", "-ec", ways.Shape, "shape", "run/docker.sock", "run/podman")
}

func doorsOf(t *testing.T, h *host.Host) map[string]string {
	t.Helper()
	states := map[string]string{}
	for line := range strings.Lines(h.Run(t.Context(), t, "forkgate", "doors").Stdout) {
		if f := strings.SplitN(line, "  ", 2); len(f) == 2 && slices.Contains([]string{"open", "gated", "closed"}, strings.TrimSpace(f[0])) {
			rest := strings.TrimSpace(f[1])
			name, found, _ := strings.Cut(rest, "  ")
			states[name] = strings.TrimSpace(f[0]) + ": " + strings.TrimSpace(found)
		}
	}
	return states
}

// all have to be open, or shut.
func all(t *testing.T, h *host.Host, when string, isOpen bool) {
	t.Helper()
	states := doorsOf(t, h)
	for _, e := range entries {
		if r := tries(t, h, e); (r.Code == 0) != isOpen {
			t.Errorf("%s: %s ends with code %d\n%s%s", when, e.Way, r.Code, r.Stdout, r.Stderr)
		}
		// What was there goes away altogether where nothing else is to be said of it.
		if got := strings.HasPrefix(states[e.Way], "open"); got != isOpen {
			t.Errorf("%s: doors says of %s: %q", when, e.Way, states[e.Way])
		}
	}
}

// Ways onto a host are found, closed without losing the admin, and opened again, by word or by themselves.
func TestDoors(t *testing.T) {
	t.Parallel()
	need.Tools(t, "apt-get", "dpkg", "python3", "expect", "socat", "/usr/sbin/sshd")
	debs := downloaded(t, "sudo", "cron")
	h := host.Start(t, host.Options{Agents: []string{"bot"}, Keys: []string{"ada", "mallory"}, Accounts: map[string][]string{"bot": {"build"}}})
	h.Repo(t, "demo")
	units := filepath.Join(h.Dir, "units")
	if err := os.Mkdir(units, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"systemd-logind.service", "user@.service", "user-runtime-dir@.service", "user.slice"} {
		text, err := os.ReadFile("/usr/lib/systemd/system/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(units, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.Must(t, "bash", "-ec", opens, "opens", debs, h.Dir)
	h.Must(t, "bash", "-ec", ways.Opens+"systemctl reload forkgate-warden", "opens", h.Dir)
	need.Eventually(t, "sshd hears", func() bool { return ada(t, h, "true").Code == 0 })
	before := shape(t, h)
	all(t, h, "control", true)
	if t.Failed() {
		t.Fatalf("doors says %q", doorsOf(t, h))
	}
	t.Run("nobody would be left", func(t *testing.T) { nobodyLeft(t, h, before) })
	t.Run("unconfirmed", func(t *testing.T) { unconfirmed(t, h, before) })
	t.Run("confirmed", func(t *testing.T) { confirmed(t, h) })
	t.Run("left to the admin", func(t *testing.T) { leftToTheAdmin(t, h) })
	if said := h.Must(t, "forkgate", "doors", "--undo"); !strings.Contains(said, "open again, as before: ") || !strings.Contains(said, "sudo") {
		t.Errorf("--undo says\n%s", said)
	}
	if after := shape(t, h); after != before {
		t.Errorf("after --undo\n%s", ways.Differs(before, after))
	}
	need.Eventually(t, "what was stopped runs again", func() bool {
		return h.Run(t.Context(), t, "sh", "-c", "systemctl is-active other shell user@$(id -u mallory) && ss -ltn | grep -q :7777 && ss -ltn | grep -q :2299").Code == 0
	})
	all(t, h, "after --undo", true)
}

func nobodyLeft(t *testing.T, h *host.Host, before string) {
	h.Must(t, "mv", "/home/ada/.ssh/authorized_keys", "/home/ada/.ssh/away")
	if r := h.Run(t.Context(), t, "forkgate", "doors", "--close"); r.Code != 254 || !strings.Contains(r.Stderr, "nobody would be left") {
		t.Errorf("exit code %d, %s%s", r.Code, r.Stdout, r.Stderr)
	}
	h.Must(t, "mv", "/home/ada/.ssh/away", "/home/ada/.ssh/authorized_keys")
	if after := shape(t, h); after != before {
		t.Errorf("something was changed:\n%s", ways.Differs(before, after))
	}
}

// unconfirmed closes, and nobody confirms: by itself it is all as it was. So it is where the host boots meanwhile, which starts the same service.
// That it was closed is tried where nothing takes it back while it is tried.
func unconfirmed(t *testing.T, h *host.Host, before string) {
	again := func(after string) {
		need.Eventually(t, "it is taken back after "+after, func() bool { return shape(t, h) == before })
	}
	h.Must(t, "forkgate", "doors", "--close", "--patience", "20s", "all", "listener 7777/tcp")
	again("its patience")
	h.Must(t, "forkgate", "doors", "--close", "--patience", "1h", "all", "listener 7777/tcp")
	if r := tries(t, h, entries[8]); r.Code == 0 {
		t.Error("control: sudo is not closed before the host boots")
	}
	h.Must(t, "sh", "-ec", "test -L /etc/systemd/system/multi-user.target.wants/forkgate-doors-rollback-boot.service && systemctl start forkgate-doors-rollback-boot.service")
	again("a boot")
}

func confirmed(t *testing.T, h *host.Host) {
	old := h.Command(t.Context(), "bash", "-c", sshOf(h, "ada")+`rm -f /run/go; mkfifo /run/go; $ssh ada@127.0.0.1 'touch /tmp/there; cat >/dev/null; sudo forkgate doors --confirm' </run/go`)
	said := make(chan machine.Result, 1)
	go func() { said <- machine.RunCommand(t, old) }()
	h.Must(t, "sh", "-c", "until [ -p /run/go ]; do sleep 0.05; done")
	hold := h.Command(t.Context(), "sh", "-c", "exec 3>/run/go; until [ -e /run/closed ]; do sleep 0.05; done")
	if err := hold.Start(); err != nil {
		t.Fatal(err)
	}
	need.Eventually(t, "ada is there", func() bool { return h.Run(t.Context(), t, "test", "-e", "/tmp/there").Code == 0 })
	h.Must(t, "forkgate", "doors", "--close", "--patience", "5m", "all", "listener 7777/tcp")
	h.Must(t, "touch", "/run/closed")
	if err := hold.Wait(); err != nil {
		t.Error(err)
	}
	if r := <-said; r.Code != 254 || !strings.Contains(r.Stderr, "no new connection") {
		t.Errorf("confirmed by a connection that was there before: exit code %d, %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r := h.Run(t.Context(), t, "forkgate", "doors", "--confirm"); r.Code != 254 || !strings.Contains(r.Stderr, "no login above it") {
		t.Errorf("confirmed without a login: exit code %d, %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r := ada(t, h, "sudo forkgate doors --confirm"); r.Code != 0 || !strings.Contains(r.Stdout, "what was closed stays closed") {
		t.Errorf("ada does not confirm: %s%s", r.Stdout, r.Stderr)
	}
	if r := h.Run(t.Context(), t, "systemctl", "cat", "forkgate-doors-rollback.timer"); r.Code == 0 {
		t.Error("it is taken back all the same")
	}
	all(t, h, "closed", false)
	if got := tries(t, h, ways.Entry{Comes: "${ssh/ERROR/INFO} mallory@127.0.0.1 true"}); !strings.Contains(got.Stderr, "mallory is not in the group forkgate-admin") || !strings.Contains(got.Stderr, "hint: ") {
		t.Errorf("who is kept out hears %q", got.Stderr)
	}
	forks(t, h, true)
	h.Must(t, "sh", "-c", `! grep -h '"event":"login"' /var/lib/forkgate/audit/audit.jsonl | grep '"account":"mallory"' | grep -v '"verdict":"forbid"'`)
	h.Must(t, "sh", "-c", `grep -h '"event":"login"' /var/lib/forkgate/audit/audit.jsonl | grep '"account":"ada"' | grep -q '"source":"127.0.0.1".*"verdict":"permit"'`)
	withoutForkgate(t, h)
}

// forks says whether the account that is forced gets into a fork.
func forks(t *testing.T, h *host.Host, may bool) {
	t.Helper()
	r := h.Run(t.Context(), t, "bash", "-c", sshOf(h, "bot")+"$ssh build@127.0.0.1 demo+x id")
	if in := strings.Contains(r.Stdout, "uid=7111"); in != may {
		t.Errorf("build is in a fork: %t, %s%s", in, r.Stdout, r.Stderr)
	}
}

// withoutForkgate is what there is when the warden is down, and when the program is gone: admins get in, and nobody else.
func withoutForkgate(t *testing.T, h *host.Host) {
	atConsole(t, h, "with forkgate", true)
	for _, without := range []struct {
		away, back string
		tries      int // of the ways: a warden that hangs is waited for, a while
	}{
		{"systemctl kill --signal=STOP forkgate-warden", "systemctl kill --signal=CONT forkgate-warden", 1},
		{"systemctl stop forkgate-warden.socket forkgate-operator.socket forkgate-warden", "systemctl start forkgate.target forkgate-warden", 5},
		{"mv /usr/bin/forkgate /usr/bin/forkgate.away", "mv /usr/bin/forkgate.away /usr/bin/forkgate", 5},
	} {
		h.Must(t, "sh", "-c", without.away)
		if r := ada(t, h, "sudo id -u"); r.Code != 0 || r.Stdout != "0\n" {
			t.Errorf("after %s ada is out: %s%s", without.away, r.Stdout, r.Stderr)
		}
		for _, e := range entries[:without.tries] {
			if r := tries(t, h, e); r.Code == 0 {
				t.Errorf("after %s: %s is open", without.away, e.Way)
			}
		}
		if without.tries > 1 {
			forks(t, h, false)
			atConsole(t, h, "after "+without.away, !strings.HasPrefix(without.away, "mv "))
		}
		h.Must(t, "sh", "-c", without.back)
	}
	forks(t, h, true)
}

// acct asks PAM what login and its like would: may this user, on this terminal, from that host?
const acct = `import ctypes, sys
pam = ctypes.CDLL("libpam.so.0")
conversation = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: 0)
class Conv(ctypes.Structure): _fields_ = [("f", type(conversation)), ("data", ctypes.c_void_p)]
conv, h = Conv(conversation, None), ctypes.c_void_p()
assert pam.pam_start(b"login", sys.argv[1].encode(), ctypes.byref(conv), ctypes.byref(h)) == 0
assert pam.pam_set_item(h, 3, ctypes.c_char_p(sys.argv[2].encode())) == 0
assert not sys.argv[3] or pam.pam_set_item(h, 4, ctypes.c_char_p(sys.argv[3].encode())) == 0
sys.exit(1 if pam.pam_acct_mgmt(h, 0) else 0)`

// atConsole is who gets in there: root always does, but by no terminal that a network service has made, where forkgate cannot tell.
func atConsole(t *testing.T, h *host.Host, when string, tells bool) {
	t.Helper()
	for _, c := range []struct {
		user, terminal, from string
		in                   bool
	}{
		{"root", "tty1", "", true}, {"root", "/dev/ttyS0", "", true}, {"root", "pts/3", "", tells}, {"root", "pts/3", "192.0.2.1", false},
		{"ada", "tty1", "", true}, {"penny", "tty1", "", false}, {"mallory", "ttyS0", "", false}, {"build", "tty1", "", false},
	} {
		if r := h.Run(t.Context(), t, "python3", "-c", acct, c.user, c.terminal, c.from); (r.Code == 0) != c.in {
			t.Errorf("%s: login of %+v ends with code %d %s%s", when, c, r.Code, r.Stdout, r.Stderr)
		}
	}
}
