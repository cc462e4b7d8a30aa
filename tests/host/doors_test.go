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
)

// opens opens the host's ways, each as hosts have them, and an admin's. ada is the admin, mallory and penny are whom the doors are closed for; build has the door
// that leads to forks.
const opens = `
DEBIAN_FRONTEND=noninteractive dpkg --install --force-confold --force-depends "$1"/*.deb >/dev/null
mkdir -p /etc/forkgate/authorized_keys
for name in ada mallory penny; do useradd --create-home --shell /bin/bash --password '*' $name; mkdir -p /home/$name/.ssh; done
useradd --no-create-home --home-dir / --shell /usr/bin/forkgate --groups forkgate-accounts --password '*' build
cp "$2/ada.pub" /home/ada/.ssh/authorized_keys; cp "$2/mallory.pub" /home/mallory/.ssh/authorized_keys; mkdir -p /root/.ssh; cp "$2/mallory.pub" /root/.ssh/authorized_keys
cp "$2/bot.pub" /etc/forkgate/authorized_keys/build
cp /usr/share/doc/forkgate/sshd_config.d/forkgate.conf /etc/ssh/sshd_config.d/
for name in ada mallory penny; do chown -R $name: /home/$name; done
echo penny:secret | chpasswd
usermod -aG forkgate-admin ada
echo '%forkgate-admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admins; echo 'mallory ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/mallory
printf 'PermitRootLogin yes\nPasswordAuthentication no\nMatch Address 127.0.0.0/8\n    PasswordAuthentication yes\n' >/etc/ssh/sshd_config.d/own.conf

unit() { printf '[Service]\nExecStart=%s\nExecReload=/bin/kill -HUP $MAINPID\n%s' "$2" "$3" >/etc/systemd/system/$1.service; }
unit ssh '/usr/sbin/sshd -D' $'RuntimeDirectory=sshd\nRuntimeDirectoryPreserve=yes\n'
printf 'Port 2299\nUsePAM no\nPermitRootLogin yes\nPidFile none\n' >/etc/ssh/other_config
unit other '/usr/sbin/sshd -D -f /etc/ssh/other_config'
unit shell "/usr/bin/socat TCP-LISTEN:7777,reuseaddr,fork EXEC:/bin/sh"
groupadd -f docker; usermod -aG docker mallory; mkdir -p /run/podman
unit docker '/usr/bin/socat UNIX-LISTEN:/run/docker.sock,group=docker,mode=660,fork EXEC:/bin/sh'
unit podman '/usr/bin/socat UNIX-LISTEN:/run/podman/podman.sock,mode=666,fork EXEC:/bin/sh'
cp "$2"/units/* /usr/lib/systemd/system/
printf '@reboot /usr/bin/id -un >/var/tmp/cron-ran\n' | crontab -u mallory -
printf '@reboot touch /var/tmp/cron-of-root\n' | crontab -
cp /bin/dash /usr/local/bin/rootsh; chmod 4755 /usr/local/bin/rootsh
mkdir -p /var/lib/systemd/linger /home/mallory/.config/systemd/user/default.target.wants; touch /var/lib/systemd/linger/mallory
printf '[Service]\nExecStart=/bin/sleep 1d\n' >/home/mallory/.config/systemd/user/own.service; ln -s ../own.service /home/mallory/.config/systemd/user/default.target.wants/
chown -R mallory: /home/mallory
systemctl daemon-reload
systemctl start ssh other shell docker podman cron systemd-logind
systemctl reload forkgate-warden`

// entry is a way in: how it is called, and how one comes in by it. The command ends with code 0 exactly where somebody is in.
type entry struct{ way, comes string }

// login is a login at a terminal of the machine's own: it asks PAM's service login, as a getty has it ask.
const login = `expect -c 'set timeout 20; spawn login penny; expect Password: { send secret\r }; expect -re {penny@.*[$]} { send "exit\r"; expect eof; exit 0 } eof { exit 1 }; exit 1'`

var entries = []entry{
	{"sshd", "$ssh mallory@127.0.0.1 true"},
	{"sshd root", "$ssh root@127.0.0.1 true"},
	{"sshd passwords", "SSH_ASKPASS=/run/secret SSH_ASKPASS_REQUIRE=force ${ssh/BatchMode=yes/BatchMode=no} -o PubkeyAuthentication=no penny@127.0.0.1 true"},
	{"ssh keys", "$ssh mallory@127.0.0.1 test -r .ssh/authorized_keys"},
	{"console", login},
	{"cron", `rm -f /var/tmp/cron-* /run/crond.reboot; systemctl restart cron
		for n in $(seq 200); do [ ! -e /var/tmp/cron-of-root ] || [ ! -s /var/tmp/cron-ran ] || exit 0; [ ! -e /var/tmp/cron-of-root ] || [ -e /var/spool/cron/crontabs/mallory ] || exit 1; sleep 0.05; done; exit 1`},
	{"groups", `test "$(echo id -u | runuser -u mallory -- socat - UNIX-CONNECT:/run/docker.sock)" = 0`},
	{"sockets", `test "$(echo id -u | runuser -u nobody -- socat - UNIX-CONNECT:/run/podman/podman.sock)" = 0`},
	{"sudo", `test "$(runuser -u mallory -- sudo -n id -u)" = 0`},
	{"lingering", `for n in $(seq 100); do systemctl show -p ActiveState user@$(id -u mallory) | grep -q '=activ' || exit 1; pgrep -u mallory -x sleep && exit; sleep 0.05; done; exit 1`},
	{"setuid", `test "$(runuser -u nobody -- /usr/local/bin/rootsh -p -c 'id -u')" = 0`},
	{"listener 2299/tcp", "$ssh -p 2299 mallory@127.0.0.1 true"},
	{"listener 7777/tcp", `test "$(echo id -u | socat -t 5 - TCP:127.0.0.1:7777)" = 0`},
}

// tries has somebody come in by a way.
func tries(t *testing.T, h *host.Host, e entry) machine.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return h.Run(ctx, t, "bash", "-c", sshOf(h, "mallory")+e.comes)
}

func sshOf(h *host.Host, key string) string {
	return `ssh="ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes -o IdentitiesOnly=yes -i ` + filepath.Join(h.Dir, key) + `"; `
}

// ada runs a command as the admin does: by ssh, as root.
func ada(t *testing.T, h *host.Host, command string) machine.Result {
	t.Helper()
	return h.Run(t.Context(), t, "bash", "-c", sshOf(h, "ada")+`$ssh ada@127.0.0.1 "$0"`, command)
}

// shape is all that closing the doors could change, and what else there is beside it.
func shape(t *testing.T, h *host.Host) string {
	t.Helper()
	return h.Must(t, "sh", "-ec", `cd /; find etc var/spool/cron var/lib/systemd/linger usr/local run/docker.sock run/podman \( -type f -o -type l -o -type s -o -type d \) `+
		`-not -path '*/.pwd.lock' -printf '%p %y %m %U %G %l\n' | sort; find etc var/spool/cron var/lib/systemd/linger usr/local -type f -exec sha256sum {} + | sort -k 2`)
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
			t.Errorf("%s: %s ends with code %d\n%s%s", when, e.way, r.Code, r.Stdout, r.Stderr)
		}
		// What was there goes away altogether where nothing else is to be said of it.
		if got := strings.HasPrefix(states[e.way], "open"); got != isOpen {
			t.Errorf("%s: doors says of %s: %q", when, e.way, states[e.way])
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
	h.Must(t, "sh", "-ec", "printf '#!/bin/sh\necho secret\n' >/run/secret; chmod 755 /run/secret; mount -o remount,exec /run")
	need.Eventually(t, "sshd hears", func() bool { return ada(t, h, "true").Code == 0 })
	before := shape(t, h)
	all(t, h, "control", true)
	if t.Failed() {
		t.Fatalf("doors says %q", doorsOf(t, h))
	}
	t.Run("nobody would be left", func(t *testing.T) { nobodyLeft(t, h, before) })
	t.Run("unconfirmed", func(t *testing.T) { unconfirmed(t, h, before) })
	t.Run("confirmed", func(t *testing.T) { confirmed(t, h) })
	h.Must(t, "forkgate", "doors", "--undo")
	if after := shape(t, h); after != before {
		t.Errorf("after --undo\n%s", differs(before, after))
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
		t.Errorf("something was changed:\n%s", differs(before, after))
	}
}

// unconfirmed closes, and nobody confirms: by itself it is all as it was. So it is where the host boots meanwhile, which starts the same service.
func unconfirmed(t *testing.T, h *host.Host, before string) {
	for _, how := range []struct{ name, patience, then string }{
		{"a minute", "10s", "true"},
		{"a boot", "1h", "test -L /etc/systemd/system/multi-user.target.wants/forkgate-doors-rollback-boot.service && systemctl start forkgate-doors-rollback-boot.service"},
	} {
		h.Must(t, "forkgate", "doors", "--close", "--patience", how.patience, "all", "listener 7777/tcp")
		if r := tries(t, h, entries[8]); r.Code == 0 {
			t.Errorf("control: sudo is not closed before %s is over", how.name)
		}
		h.Must(t, "sh", "-ec", how.then)
		need.Eventually(t, "it is taken back after "+how.name, func() bool { return shape(t, h) == before })
	}
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
	if r := ada(t, h, "sudo forkgate doors --confirm"); r.Code != 0 {
		t.Errorf("ada does not confirm: %s%s", r.Stdout, r.Stderr)
	}
	if r := h.Run(t.Context(), t, "systemctl", "cat", "forkgate-doors-rollback.timer"); r.Code == 0 {
		t.Error("it is taken back all the same")
	}
	all(t, h, "closed", false)
	if got := tries(t, h, entry{comes: "${ssh/ERROR/INFO} mallory@127.0.0.1 true"}); !strings.Contains(got.Stderr, "mallory is not in the group forkgate-admin") || !strings.Contains(got.Stderr, "hint: ") {
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
				t.Errorf("after %s: %s is open", without.away, e.way)
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

// differs are the lines that one has and the other has not.
func differs(a, b string) string {
	var out []string
	in := func(line, text string) bool { return strings.Contains("\n"+text+"\n", "\n"+line+"\n") }
	for _, line := range strings.Split(a, "\n") {
		if !in(line, b) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range strings.Split(b, "\n") {
		if !in(line, a) {
			out = append(out, "+ "+line)
		}
	}
	return strings.Join(out, "\n")
}
