package vm_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"forkgate/tests/need"
	"forkgate/tests/vm"
	"forkgate/tests/ways"
)

// hardens is what an admin has done who has read about sshd: so that each of the ways that are opened was not open before. And from one address many are refused
// here, which sshd would answer no more.
const hardens = `mkdir -p /root/doors; for name in ada mallory; do [ -e /root/doors/$name ] || ssh-keygen -q -t ed25519 -N '' -f /root/doors/$name; done
	printf 'PerSourcePenalties no\n' >/etc/ssh/sshd_config.d/00-test.conf
	printf 'PermitRootLogin no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n' >/etc/ssh/sshd_config.d/10-hardened.conf; systemctl reload ssh`

// opensMore opens ways beside those of ways.Opens: as somebody would who wants to come again. games is an account of the system's, with no shell.
const opensMore = `
rm /etc/ssh/sshd_config.d/10-hardened.conf; printf 'Port 22\nPort 2022\n' >/etc/ssh/sshd_config.d/ports.conf
sed -i '1i auth sufficient pam_permit.so' /etc/pam.d/sshd
usermod --shell /bin/bash games; mkdir -p /usr/games/.ssh; cp /root/doors/mallory.pub /usr/games/.ssh/authorized_keys; chown -R games: /usr/games/.ssh
usermod -aG sudo mallory
cd /; echo true | runuser -u mallory -- at now + 1 day
printf '[Socket]\nListenStream=7778\nAccept=yes\n' >/etc/systemd/system/door.socket
printf '[Service]\nExecStart=-/bin/sh\nStandardInput=socket\nStandardOutput=socket\n' >/etc/systemd/system/door@.service
printf '[Service]\nExecStart=-/sbin/agetty --autologin mallory ttyS0 linux\nStandardInput=tty\nStandardOutput=tty\nTTYPath=/dev/ttyS0\nRestart=always\nRestartSec=2\n' >/etc/systemd/system/serial-getty@ttyS0.service
cp /usr/bin/perl /usr/local/bin/rootperl; setcap cap_setuid=ep /usr/local/bin/rootperl; chmod o+w /etc/profile.d
systemctl daemon-reload; systemctl enable debug-shell; systemctl start door.socket serial-getty@ttyS0; systemctl reload ssh; loginctl enable-linger mallory
touch /root/doors/opened; sync`

// door is a way in, and how doors is to speak of it.
type door struct {
	ways.Entry
	names string // what it finds there once that is open, and did not before; empty: the way was not open at all
	left  bool   // it is named, and for the operator to close
}

// doors are all that are opened; what has no command is seen by what doors says, alone.
func doors() (all []door) {
	names := map[string]string{"sshd": "2022", "ssh keys": "mallory", "cron": "crontabs of mallory"}
	for _, e := range ways.Entries() {
		if e.Way != "console" { // there is another way in by that
			all = append(all, door{e, names[e.Way], false})
		}
	}
	const at = `cd /; rm -f /var/tmp/at-ran; echo 'id -un >/var/tmp/at-ran' | runuser -u mallory -- at now || exit
		for n in $(seq 100); do [ ! -s /var/tmp/at-ran ] || exit 0; sleep 0.2; done; exit 1`
	const autologin = `systemctl restart serial-getty@ttyS0; for n in $(seq 100); do ! pgrep -u mallory -t ttyS0 || exit 0
		systemctl -q is-active serial-getty@ttyS0 || exit 1; sleep 0.2; done; exit 1`
	entry := func(way, comes string) ways.Entry { return ways.Entry{Way: way, Comes: comes} }
	return append(all, []door{
		{entry("sshd", "$ssh -p 2022 mallory@127.0.0.1 true"), "2022", false},
		{entry("sshd passwords", strings.Replace(ways.Entries()[2].Comes, "penny@", "mallory@", 1)), "", false}, // who has none: any will do
		{entry("ssh keys", "$ssh games@127.0.0.1 true"), "games", false},
		{entry("console", autologin), "serial-getty@ttyS0", true},
		{entry("passwords", ""), "penny", false},
		{entry("at", at), "jobs of mallory", false},
		{entry("polkit", ""), "mallory", false},
		{entry("debug shell", ""), "", false},
		{entry("listener 7778/tcp", `test "$(echo id -u | socat -t 20 - TCP:127.0.0.1:7778)" = 0`), "", false},
		{entry("capabilities", `test "$(runuser -u nobody -- /usr/local/bin/rootperl -e '$> = 0; print $>')" = 0`), "", true},
		{entry("root's files", `runuser -u nobody -- test -w /etc/profile.d`), "", true},
	}...)
}

// named are the doors that are closed by their names alone.
const named = "all|listener 7777/tcp|listener 7778/tcp"

// says is what forkgate doors says of one way.
type says struct{ Way, State, Found string }

func listed(t *testing.T, v *vm.VM) map[string]says {
	t.Helper()
	r := v.Run(t, "", "forkgate", "doors", "--json")
	var rows []says
	if err := json.Unmarshal(r.Stdout, &rows); err != nil || len(rows) == 0 {
		t.Fatalf("exit code %d, %v\n%s%s", r.Code, err, r.Stdout, r.Stderr)
	}
	all := map[string]says{}
	for _, row := range rows {
		all[row.Way] = row
	}
	t.Logf("%s: %d ways", v.Up(), len(rows))
	return all
}

// isOpen reports whether a list has a door as one that was opened.
func (d door) isOpen(list map[string]says) bool {
	return list[d.Way].State == "open" && strings.Contains(list[d.Way].Found, d.names)
}

// comesIn has somebody come in by a way.
func comesIn(t *testing.T, v *vm.VM, d door) bool {
	t.Helper()
	r := v.Run(t, "", "bash", "-c", ways.SSH("/root/doors/mallory")+d.Comes)
	if r.Code != 0 {
		t.Logf("%s: %.60q ends with %d: %s%s", d.Way, d.Comes, r.Code, r.Stdout, r.Stderr)
	}
	return r.Code == 0
}

// all checks that what was opened is open, or is not, by what doors says and by who comes in. What is left to the operator is open still; but a getty asks PAM
// about whom it lets in unasked.
func all(t *testing.T, v *vm.VM, when string, open bool) {
	t.Helper()
	list := listed(t, v)
	for _, d := range doors() {
		if d.isOpen(list) != (open || d.left) {
			t.Errorf("%s: doors says of %s: %+v", when, d.Way, list[d.Way])
		}
		want := open || d.left && d.Way != "console"
		if d.Comes != "" && comesIn(t, v, d) != want {
			t.Errorf("%s: somebody comes in by %s: %t (%s)", when, d.Way, !want, d.Comes)
		}
	}
	t.Logf("%s: tried all", v.Up())
}

// asAda runs a command as the admin does: by ssh, as root.
func asAda(t *testing.T, v *vm.VM, command string) (text string, code int) {
	t.Helper()
	r := v.Run(t, "", "bash", "-c", ways.SSH("/root/doors/ada")+`$ssh ada@127.0.0.1 "sudo $0"`, command)
	return string(r.Stdout) + string(r.Stderr), r.Code
}

// opened opens the ways, once, and returns what doors said before.
func opened(t *testing.T, v *vm.VM) (before map[string]says) {
	t.Helper()
	if v.Run(t, "", "test", "-e", "/root/doors/opened").Code == 0 {
		return nil
	}
	v.Must(t, "sh", "-ec", hardens)
	before = listed(t, v)
	v.Must(t, "bash", "-ec", ways.Opens+opensMore, "opens", "/root/doors")
	need.Eventually(t, "the admin gets in", func() bool { _, code := asAda(t, v, "true"); return code == 0 })
	return before
}

// closeAll closes them all.
func closeAll(t *testing.T, v *vm.VM, patience string) {
	t.Helper()
	argv := append([]string{"forkgate", "doors", "--close", "--patience", patience}, strings.Split(named, "|")...)
	t.Logf("%s: %s\n%s", v.Up(), patience, v.Must(t, argv...))
}

func shapeOf(t *testing.T, v *vm.VM, more ...string) string {
	t.Helper()
	return v.Must(t, append([]string{"sh", "-ec", ways.Shape, "shape"}, more...)...)
}

// closesDoors opens ways onto the host, and has forkgate doors find, close and give back each, without losing the admin.
func closesDoors(t *testing.T, v *vm.VM) {
	for before, i := opened(t, v), 0; i < len(doors()); i++ {
		if d := doors()[i]; d.isOpen(before) {
			t.Errorf("control: before it was opened doors says of %s: %+v", d.Way, before[d.Way])
		}
	}
	all(t, v, "opened", true)
	sockets := []string{"run/docker.sock", "run/podman"}
	before := shapeOf(t, v, sockets...)
	closeAll(t, v, "10m")
	if text, code := asAda(t, v, "forkgate doors --confirm"); code != 0 {
		t.Errorf("the admin does not confirm: %s", text)
	}
	all(t, v, "closed", false)
	if text, code := asAda(t, v, "id -u"); code != 0 || text != "0\n" {
		t.Errorf("the admin is out: %s", text)
	}
	worksOn(t, v)
	v.Must(t, "forkgate", "doors", "--undo")
	if after := shapeOf(t, v, sockets...); after != before {
		t.Errorf("after --undo\n%s", ways.Differs(before, after))
	}
	all(t, v, "taken back", true)
}

// worksOn checks that the gate lets in whom it is there for.
func worksOn(t *testing.T, v *vm.VM) {
	t.Helper()
	if r := v.Run(t, "", "ssh", "demo@person", "cat orders.txt"); string(r.Stdout) != "orders\n" {
		t.Errorf("a person in production: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r := v.Run(t, "", "ssh", "demo+x@agent", "cat orders.txt"); string(r.Stdout) != "orders\n" {
		t.Errorf("an agent in its fork: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// reboots has the host boot while a closing waits to be confirmed, which is to take it back before anybody is let in.
func reboots(boot func(*vm.VM, testing.TB)) func(*testing.T, *vm.VM) {
	return func(t *testing.T, v *vm.VM) {
		opened(t, v)
		says := v.Must(t, "sshd", "-T")
		before := shapeOf(t, v)
		v.Must(t, "sync")
		waits(t, v)
		came := slices.DeleteFunc(doors(), func(d door) bool { return !slices.Contains([]string{"sudo", "sshd", "sshd root"}, d.Way) })
		boot(v, t)
		t.Logf("%s: booted again", v.Up())
		if after := shapeOf(t, v); after != before {
			t.Errorf("after the boot\n%s", ways.Differs(before, after))
		}
		if now := v.Must(t, "sshd", "-T"); now != says {
			t.Errorf("sshd has\n%s", ways.Differs(says, now))
		}
		for _, d := range came {
			if !comesIn(t, v, d) {
				t.Errorf("after the boot nobody comes in by %s (%s)", d.Way, d.Comes)
			}
		}
		if text, code := asAda(t, v, "forkgate doors --confirm"); code != 254 || !strings.Contains(text, "nothing waits to be confirmed") {
			t.Errorf("after the boot the admin confirms: exit code %d, %s", code, text)
		}
		if text := v.Must(t, "sh", "-c", "journalctl --boot --no-pager -o cat -u forkgate-doors-rollback-boot; cat /var/lib/forkgate/doors/ledger.json"); strings.Contains(text, `"way"`) || !strings.Contains(text, "is taken back") {
			t.Errorf("it was taken back by\n%s", text)
		}
		worksOn(t, v)
	}
}

// waits closes all, which nobody confirms.
func waits(t *testing.T, v *vm.VM) {
	closeAll(t, v, "1h")
	for _, d := range doors() {
		if (d.Way == "sudo" || d.Way == "sshd") && comesIn(t, v, d) {
			t.Errorf("control: %s is not closed", d.Way)
		}
	}
}
