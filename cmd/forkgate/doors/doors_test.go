package doors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func row(t *testing.T, f *fake, name string) Row {
	t.Helper()
	for _, r := range Examine(t.Context(), f.host()) {
		if r.Way == name {
			return r
		}
	}
	t.Fatalf("there is no way %q", name)
	return Row{}
}

func TestAShutHostIsShut(t *testing.T) {
	for _, r := range Examine(t.Context(), shut().host()) {
		if r.State == Open || r.Do != "" {
			t.Errorf("%+v", r)
		}
		if r.Why == "" {
			t.Errorf("%s does not say why", r.Way)
		}
	}
}

// opening opens one way of a host whose doors are shut.
type opening struct {
	way, found string
	opens      func(*fake)
}

func write(name, text string) func(*fake) { return func(f *fake) { f.write(name, text) } }
func add(name, text string) func(*fake)   { return func(f *fake) { f.add(name, text) } }
func drop(name string) func(*fake)        { return func(f *fake) { delete(f.files, name) } }
func sshdSaying(from, to string) func(*fake) {
	return func(f *fake) { says(f, "sshd -T", from, to) }
}

func setuid(name string, uid uint32) func(*fake) {
	return func(f *fake) { f.put(name, fs.ModeSetuid|0o755, uid, 0) }
}

// readsOf writes a file that names one in the home of mallory, who may put it there.
func readsOf(name, text string) func(*fake) {
	return func(f *fake) {
		f.write(name, text)
		f.put("home/mallory", fs.ModeDir|0o755, 1001, 1001)
	}
}

// blockDevice puts a block device.
func blockDevice(name string, major uint32, mode fs.FileMode, gid uint32) func(*fake) {
	return func(f *fake) {
		f.within(name)
		f.files[name] = &fstest.MapFile{Mode: fs.ModeDevice | mode, Sys: &syscall.Stat_t{Gid: gid, Rdev: unix.Mkdev(major, 0)}}
	}
}

// capable puts a file with permitted capabilities (struct vfs_cap_data, revision 2).
func capable(name string, permitted uint64) func(*fake) {
	return func(f *fake) {
		f.put(name, 0o755, 0, 0)
		text := make([]byte, 20)
		for i, word := range []uint32{0x02000001, uint32(permitted), 0, uint32(permitted >> 32), 0} {
			binary.LittleEndian.PutUint32(text[4*i:], word)
		}
		f.has[name+":security.capability"] = text
	}
}

// hearing has a process of a service's hear a port.
func hearing(port, program, service, cmdline string) func(*fake) {
	return func(f *fake) {
		f.add("proc/net/tcp", strings.Replace(hears("00000000:"+port, "0A"), "18436", "7", 1))
		f.files["proc/77/fd/0"] = &fstest.MapFile{Data: []byte("socket:[7]"), Mode: fs.ModeSymlink}
		f.files["proc/77/exe"] = &fstest.MapFile{Data: []byte(program), Mode: fs.ModeSymlink}
		f.write("proc/77/cgroup", "1:name=systemd:/system.slice/"+service+"\n0::/\n")
		f.write("proc/77/cmdline", cmdline)
	}
}

// entry is one of an access control list: what it is for, what that may, and whose it is.
type entry struct {
	Tag, May uint16
	ID       int32
}

func listed(name string, entries ...entry) func(*fake) {
	return func(f *fake) {
		text := []byte{2, 0, 0, 0}
		for _, e := range entries {
			text, _ = binary.Append(text, binary.LittleEndian, e)
		}
		f.has[name+":system.posix_acl_access"] = text
	}
}

func ungated(service string, also ...func(*fake)) func(*fake) {
	return func(f *fake) {
		f.write("etc/pam.d/"+service, "@include common-account\n")
		for _, do := range also {
			do(f)
		}
	}
}

// getty has a getty start something.
func getty(command string) func(*fake) {
	return func(f *fake) {
		f.programs["systemctl show "+properties+" -- getty@*.service"] = "Id=serial-getty@ttyS0.service\nExecStart={ path=/x ; argv[]=" + command + " ; ignore_errors=no ; }\n"
	}
}

// postgres has a service of that name, with a file.
func postgres(file string) func(*fake) {
	return func(f *fake) {
		f.add("etc/passwd", "postgres:x:110:110::/var/lib/postgresql:/bin/bash\nwww-data:x:33:33::/:/usr/sbin/nologin\n")
		f.write(file, "")
		f.write("etc/at.allow", "root\n")
	}
}

// runsIt has root run a program that is mallory's.
func runsIt(file, text string) func(*fake) {
	return func(f *fake) {
		f.put("opt/x", 0o755, 1001, 1001)
		f.write(file, text)
	}
}

func openings() []opening {
	gate := gateBlock(sshdService, "/usr/bin/forkgate")
	return []opening{
		{"sshd", "does not begin with forkgate pam", ungated("sshd")},
		{"sshd", "does not begin", write("etc/pam.d/sshd", "account sufficient pam_permit.so\n"+gate)},
		{"sshd", "does not begin", write("etc/pam.d/sshd", "ACCOUNT sufficient pam_permit.so\n"+gate)},
		{"sshd", "does not begin", write("etc/pam.d/sshd", "@include common-account\n"+gate)},
		{"sshd", "does not begin", write("etc/pam.d/sshd", "-account sufficient pam_ldap.so\n"+gate)},
		{"sshd", "does not begin", write("etc/pam.d/sshd", strings.ReplaceAll(gate, "account requisite", "#account requisite"))},
		{"sshd", "does not begin", write("etc/pam.d/sshd", strings.ReplaceAll(gate, "success=2", "success=3"))},
		{"sshd", "cannot be read", drop("etc/pam.d/sshd")},
		{"sshd", "UsePAM no", sshdSaying("usepam yes", "usepam no")},
		{"sshd", "another service (PAMServiceName own)", sshdSaying("usepam yes\n", "usepam yes\npamservicename own\n")},
		{"sshd", "another service", func(f *fake) {
			f.add("etc/ssh/sshd_config", "Match LocalPort 2200\n  PAMServiceName own\n")
			f.programs["sshd -T -C addr=192.0.2.1 -C host=client.invalid -C lport=2200"] = sshdSays + "pamservicename own\n"
		}},
		{"sshd", "another service", func(f *fake) {
			f.add("etc/ssh/sshd_config", "Match RDomain *\n  PAMServiceName own\n")
			f.programs["sshd -T -C addr=192.0.2.1 -C host=client.invalid -C lport=65535 -C rdomain=x"] = sshdSays + "pamservicename own\n"
		}},
		{"sshd", "not understood", add("etc/ssh/sshd_config", "Match exec /bin/true\n  pamservicename=own\n")},
		{"sshd", "127.0.0.1:222: the account stack", ungated("sshd", sshdSaying("port 22\n", "port 22\nlistenaddress 127.0.0.1:222\n"))},
		{"sshd", "does not say", sshdSaying("port 22\n", "")},
		{"sshd", "is started with -D -o UsePAM=no (/proc/77/cmdline)", hearing("0016", "/usr/sbin/sshd", "ssh.service", "sshd: /usr/sbin/sshd -D -o UsePAM=no [listener] 0 of 10-100 startups\x00")},
		{"sshd", "is started with -f other", hearing("0016", "/usr/sbin/sshd", "ssh.service", "/usr/sbin/sshd\x00-f\x00other\x00")},
		{"sshd", "cannot be seen", hearing("0016", "/usr/sbin/sshd", "ssh.service", "")},
		{"sshd", "(/etc/default/ssh)", write("etc/default/ssh", "# options\nSSHD_OPTS='-o UsePAM=no'\n")},
		{"sshd root", "root logs in", ungated("sshd", sshdSaying("permitrootlogin no", "permitrootlogin without-password"))},
		{"sshd root", "not understood", ungated("sshd", add("etc/ssh/sshd_config", "Match User !root,*\n  PermitRootLogin yes\n"))},
		{"sshd root", "not understood", ungated("sshd", add("etc/ssh/sshd_config", "Match exec /bin/true\n  PermitRootLogin yes\n"))},
		{"sshd passwords", "passwords are taken", ungated("sshd", sshdSaying("passwordauthentication no", "passwordauthentication yes"))},
		{"sshd passwords", "passwords are taken", ungated("sshd", add("etc/ssh/sshd_config", "Match Address 10.1.0.0/16\n"), func(f *fake) {
			f.programs["sshd -T -C addr=10.1.0.0 "] = strings.Replace(sshdSays, "passwordauthentication no", "passwordauthentication yes", 1)
		})},
		{"ssh keys", "of mallory", ungated("sshd", write("home/mallory/.ssh/authorized_keys", "ssh-ed25519 AAAA\n"))},
		{"ssh keys", "asks /bin/keys for keys", ungated("sshd", sshdSaying("authorizedkeyscommand none", "authorizedkeyscommand /bin/keys"))},
		{"ssh keys", "takes certificates", ungated("sshd", sshdSaying("trustedusercakeys none", "trustedusercakeys /etc/ssh/ca"))},
		{"ssh keys", "those of sss", ungated("sshd", write("etc/nsswitch.conf", "passwd: files sss\n"))},
		{"ssh keys", "is no file", ungated("sshd", func(f *fake) { f.put("home/mallory/.ssh/authorized_keys", fs.ModeNamedPipe, 1001, 1001) })},
		{"forced accounts", "another login shell", write("etc/passwd", strings.ReplaceAll(passwd, "/usr/bin/forkgate", "/bin/bash"))},
		{"forced accounts", "does not force", func(f *fake) {
			f.programs["sshd -T -C addr=192.0.2.1 -C host=client.invalid -C lport=65535 -C user=build"] = sshdSays
		}},
		{"forced accounts", "does not force", func(f *fake) {
			f.add("etc/ssh/sshd_config", "Match LocalPort 2200\n  ForceCommand none\n")
			f.programs["sshd -T -C addr=192.0.2.1 -C host=client.invalid -C lport=2200 -C user=build"] = sshdSays
		}},
		{"forced accounts", "does not force", func(f *fake) {
			f.add("etc/ssh/sshd_config", "Match User mallory,build Address 10.1.0.0/16\n  ForceCommand none\n")
			f.programs["sshd -T -C addr=10.1.0.0 -C host=client.invalid -C lport=65535 -C user=build"] = sshdSays
			f.programs["sshd -T -C addr=192.0.2.1 -C host=client.invalid -C lport=65535 -C user=build"] = forcedSays
		}},
		{"forced accounts", "far has another login shell", func(f *fake) {
			f.write("etc/nsswitch.conf", "passwd: files sss\n")
			f.write("etc/group", strings.Replace(group, "997:build", "997:build,far", 1))
		}},
		{"forced accounts", "not understood", add("etc/ssh/sshd_config", "Match exec /bin/true\n  ForceCommand none\n")},
		{"console", "does not begin", ungated("login")},
		{"console", "logs somebody in", getty("/sbin/agetty --autologin root ttyS0")},
		{"console", "not by login: -n", getty("/sbin/agetty -n --noclear ttyS0")},
		{"console", "not by login: -Ll", getty("/sbin/agetty -Ll /bin/bash ttyS0")},
		{"console", "not by login: --login-program", getty("/sbin/agetty --login-program /bin/bash ttyS0")},
		{"console", "/etc/systemd/system/serial-getty@ttyS1.service.d/a.conf: logs somebody in", write("etc/systemd/system/serial-getty@ttyS1.service.d/a.conf",
			"[Service]\nExecStart=\nExecStart=-/sbin/agetty --keep-baud --autologin ada - $TERM\n")},
		{"console", "starts bash, and nobody knows", getty("/bin/bash")},
		{"console", "systemd does not answer", func(f *fake) {
			delete(f.programs, "systemctl show")
			delete(f.programs, "systemctl show "+properties+" -- getty@*.service")
		}},
		{"passwords", "mallory, and the console", ungated("login", write("etc/shadow", strings.Replace(shadow, "mallory:!", "mallory:$y$x", 1)))},
		{"passwords", "mallory, and sshd", ungated("sshd", write("etc/shadow", strings.Replace(shadow, "mallory:!", "mallory:", 1)))},
		{"passwords", "toor: root by another name", func(f *fake) {
			f.add("etc/passwd", "toor:x:0:0::/root:/bin/sh\n")
			f.add("etc/shadow", "toor:$y$x:1::::::\n")
		}},
		{"passwords", "cannot read", drop("etc/shadow")},
		{"desktops", "xrdp-sesman", write("etc/pam.d/xrdp-sesman", "@include common-account\n")},
		{"cron", "crontabs of mallory", write("var/spool/cron/crontabs/mallory", "* * * * * id\n")},
		{"cron", "crontabs of services: postgres", postgres("var/spool/cron/crontabs/postgres")},
		{"cron", "/etc/cron.d/x starts something as mallory", write("etc/cron.d/x", "X = 1\nY=2 3 4 5 6 7\n5 * * * * www-data id\n5 * * * *\tmallory id\n")},
		{"cron", "/etc/crontab starts something as mallory", write("etc/crontab", "@reboot mallory id\n")},
		{"cron", "no /etc/cron.allow", drop("etc/cron.allow")},
		{"cron", "no /etc/cron.allow", func(f *fake) { postgres("var/spool/cron/crontabs/postgres")(f); drop("etc/cron.allow")(f) }}, // and not what may be excepted
		{"cron", "cron.allow has mallory", add("etc/cron.allow", "mallory\n")},
		{"cron", "/etc/cron.d/x is not root's alone", func(f *fake) { f.put("etc/cron.d/x", 0o666, 0, 0) }},
		{"at", "jobs of mallory", func(f *fake) { f.write("usr/sbin/atd", ""); f.put("var/spool/cron/atjobs/a01", 0o700, 1001, 1) }},
		{"at", "no /etc/at.allow", func(f *fake) { f.write("usr/sbin/atd", ""); f.write("etc/at.deny", "") }},
		{"at", "jobs of services: postgres", func(f *fake) {
			postgres("x")(f)
			f.write("usr/sbin/atd", "")
			f.put("var/spool/at/a01", 0o700, 110, 1)
		}},
		{"lingering", "lingering of services: postgres", postgres("var/lib/systemd/linger/postgres")},
		{"lingering", "of mallory", write("var/lib/systemd/linger/mallory", "")},
		{"sudo", "mallory", add("etc/sudoers", "mallory ALL=(ALL) NOPASSWD: ALL\n")},
		{"sudo", "mallory", write("etc/sudoers.d/x", "ada, mallory host=(root) \\\n  /bin/sh\n")},
		{"sudo", "mallory", add("etc/sudoers", "User_Alias OPS = ada, mallory : X = root\nOPS ALL = ALL\n")},
		{"sudo", "mallory", write("etc/group", strings.Replace(group, "sudo:x:27:ada", "sudo:x:27:ada,mallory", 1))},
		{"sudo", "everybody", add("etc/sudoers", "ALL ALL=(ALL) /usr/bin/id\n")},
		{"sudo", "#1001", add("etc/sudoers", "#1001 ALL=(ALL) ALL\n")},
		{"sudo", "+ops", add("etc/sudoers", "+ops ALL=(ALL) ALL\n")},
		{"sudo", "%:domain", add("etc/sudoers", "%:domain ALL=(ALL) ALL\n")},
		{"sudo", "not understood", add("etc/sudoers", "\"mallory\" ALL=(ALL) ALL\n")},
		{"sudo", "not understood", add("etc/sudoers", "mal\\lory ALL=(ALL) ALL\n")},
		{"sudo", "cannot read", drop("etc/sudoers")},
		{"sudo", "from elsewhere", write("etc/nsswitch.conf", "passwd: files\nsudoers: files sss\n")},
		{"sudo", "not understood", add("etc/sudoers", denial+"\n\"mallory\" ALL=(ALL) ALL\n")},
		{"sudo", "mallory", add("etc/sudoers", denial+"\nmallory ALL=(ALL) ALL\n")},
		{"polkit", "mallory", write("etc/group", strings.Replace(group, "sudo:x:27:ada", "sudo:x:27:mallory", 1))},
		{"polkit", "rules of this host's own", write("etc/polkit-1/rules.d/10-x.rules", "polkit.addRule(function() {});")},
		{"doas", "permit mallory", func(f *fake) { f.write("usr/bin/doas", ""); f.write("etc/doas.conf", "permit mallory\n") }},
		{"doas", "permit nopass mallory as root", func(f *fake) {
			f.write("usr/bin/doas", "")
			f.write("etc/doas.conf", "permit nopass mallory as root\n")
		}},
		{"doas", "mallory cmd", func(f *fake) {
			f.write("usr/bin/doas", "")
			f.write("etc/doas.conf", "permit root\npermit setenv { A root } mallory cmd :forkgate-admin\n")
		}},
		{"doas", "persist", func(f *fake) { f.write("usr/bin/doas", ""); f.write("etc/doas.conf", "permit persist\n") }},
		{"doas", "permit mallory", func(f *fake) {
			f.write("usr/local/bin/doas", "")
			f.write("usr/local/etc/doas.conf", "permit mallory\n")
		}},
		{"groups", "mallory in docker", write("etc/group", strings.Replace(group, "docker:x:999:ada", "docker:x:999:mallory", 1))},
		{"groups", "mallory in disk", write("etc/passwd", strings.Replace(passwd, "1001:1001", "1001:6", 1))},
		{"groups", "perhaps those of ldap", write("etc/nsswitch.conf", "group: files [NOTFOUND=continue] ldap\n")},
		{"sockets", "everybody's to write", func(f *fake) { f.put("run/docker.sock", fs.ModeSocket|0o666, 0, 999) }},
		{"sockets", "is uid 1001's", func(f *fake) { f.put("run/docker.sock", fs.ModeSocket|0o600, 1001, 999) }},
		{"sockets", "for the group mallory", func(f *fake) { f.put("run/podman/podman.sock", fs.ModeSocket|0o660, 0, 1001) }},
		{"sockets", "/run/docker.sock is for uid 1001, by its access", listed("run/docker.sock", entry{2, 6, 1000}, entry{2, 6, 1001}, entry{0x10, 6, -1})},
		{"sockets", "for gid 1001", listed("run/docker.sock", entry{8, 4, 999}, entry{8, 2, 1001})},
		{"sockets", "for uid 1003", listed("run/docker.sock", entry{2, 2, 1003})},
		{"sockets", "not understood", func(f *fake) { f.has["run/docker.sock:system.posix_acl_access"] = []byte("what is new") }},
		{"root's files", "/etc/sudoers is not", listed("etc/sudoers", entry{2, 6, 1001})},
		{"cron", "/etc/crontab is not", func(f *fake) { f.put("etc/crontab", 0o644, 0, 0); listed("etc/crontab", entry{8, 6, 27})(f) }},
		{"groups", "mallory in root", write("etc/group", strings.Replace(group, "root:x:0:", "root:x:0:mallory", 1))},
		{"setuid", "/usr/local/bin/x", setuid("usr/local/bin/x", 0)},
		{"setuid", "/data/x", setuid("data/x", 0)},
		{"setuid", "/home/mallory/x", func(f *fake) { f.put("home/mallory/x", fs.ModeSetgid|0o755, 1001, 999) }},
		{"setuid", "/usr/bin/su", func(f *fake) {
			setuid("usr/bin/su", 0)(f)
			f.files["usr/bin/su"].Data = []byte("a shell")
			f.write("bin/bash", "a shell")
		}},
		{"setuid", "/usr/bin/passwd", func(f *fake) {
			setuid("usr/bin/passwd", 0)(f)
			setuid("usr/bin/su", 0)(f)
			f.write("var/lib/dpkg/info/sudo.list", "/.\n/usr/bin/sudo\n/bin/su\n")
		}},
		{"setuid", "/usr/bin/tar", func(f *fake) {
			setuid("usr/bin/tar", 0)(f)
			f.write("var/lib/dpkg/info/tar.list", "/.\n/usr/bin/tar\n")
		}},
		{"capabilities", "/home/mallory/p y", func(f *fake) {
			capable("usr/bin/ping", 1<<unix.CAP_NET_RAW)(f)
			capable("home/mallory/p y", 1<<unix.CAP_NET_RAW|1<<unix.CAP_SETUID)(f)
		}},
		{"capabilities", "/x", capable("x", 1<<unix.CAP_DAC_OVERRIDE)},
		{"capabilities", "/srv/a/b/x", capable("srv/a/b/x", 1<<unix.CAP_BPF)},
		{"capabilities", "/opt/x", func(f *fake) { capable("opt/x", 0)(f); f.has["opt/x:security.capability"] = []byte("what is new") }},
		{"capabilities", "/usr/bin/python3", func(f *fake) {
			capable("usr/bin/python3", 1<<unix.CAP_SETUID)(f)
			capable("usr/bin/newuidmap", 1<<unix.CAP_SETUID)(f)
			f.write("var/lib/dpkg/info/x.list", "/usr/bin/python3\n/usr/bin/newuidmap\n")
		}},
		{"setuid", "there is no file", func(f *fake) { clear(f.files) }},
		{"capabilities", "there is no file", func(f *fake) { clear(f.files) }},
		{"root's files", "/etc/pam.d/x is not", func(f *fake) { f.put("etc/pam.d/x", 0o664, 0, 1001) }},
		{"root's files", "/etc/sudoers is not", func(f *fake) { f.put("etc/sudoers", 0o440, 1001, 0) }},
		{"root's files", "/usr/local/bin/x is not", func(f *fake) { f.put("usr/local/bin/x", 0o755, 1001, 0) }},
		{"root's files", "/etc/systemd/system/service.d/x.conf is not", func(f *fake) { f.put("etc/systemd/system/service.d/x.conf", 0o646, 0, 0) }},
		{"root's files", "/opt/x is not root's alone to write; root runs /opt/x, by /etc/systemd/system/x.service", runsIt("etc/systemd/system/x.service", "[Service]\nExecStart=-/opt/x --all\n")},
		{"root's files", "/opt/x is not", runsIt("etc/systemd/system/ssh.service.d/x.conf", "[Service]\nUser=mallory\nExecStartPre=+/opt/x\n")},
		{"root's files", "/opt/x is not", runsIt("etc/rc.local", "#!/bin/sh\n/opt/x &\n")},
		{"root's files", "/opt/x is not", runsIt("etc/cron.d/y", "5 * * * * root test -x /opt/x && /opt/x\n")},
		{"root's files", "/opt/x is not", runsIt("etc/crontab", "@daily root /opt/x\n")},
		{"root's files", "/opt/x is not", runsIt("var/spool/cron/crontabs/root", "5 * * * * /opt/x\n")},
		{"root's files", "/home/mallory/x is not", func(f *fake) {
			f.put("home/mallory/x", 0o644, 1001, 1001)
			f.write("etc/systemd/system/x.service", "[Service]\nExecStart=/bin/sh -e /home/mallory/x\n")
		}},
		{"root's files", "/home/mallory is not", func(f *fake) {
			f.put("home/mallory/x", 0o755, 0, 0)
			f.put("home/mallory", fs.ModeDir|0o755, 1001, 1001)
			f.put("home/mallory/x", 0o755, 0, 0)
			f.files["home/mallory"].Sys = &syscall.Stat_t{Uid: 1001}
			f.write("etc/rc.local", "/home/mallory/x\n")
		}},
		{"root's files", "/etc/logrotate.d/x is not", func(f *fake) { f.put("etc/logrotate.d/x", 0o777, 0, 0) }},
		{"root's files", "/root/.bashrc, /etc/update-motd.d/x are not", func(f *fake) {
			f.put("etc/update-motd.d/x", 0o777, 0, 0)
			f.put("root/.bashrc", 0o644, 1001, 0)
		}},
		{"root's files", "/etc/nsswitch.conf is not", func(f *fake) {
			f.files["etc/nsswitch.conf"].Mode = 0o666
		}},
		{"root's files", "/etc/systemd/system-generators/g is not", func(f *fake) { f.put("etc/systemd/system-generators/g", 0o755, 1001, 0) }},
		{"root's files", "/opt/x is not root's alone to write; root runs /opt/x, by /etc/systemd/system/x.socket", runsIt("etc/systemd/system/x.socket", "[Socket]\nExecStartPre=/opt/x\n")},
		{"root's files", "/opt/x is not", runsIt("etc/systemd/system/service.d/a.conf", "[Service]\nExecStartPre=/opt/x\n")},
		{"root's files", "/opt/x is not", runsIt("usr/share/dbus-1/system-services/x.service", "[D-BUS Service]\nName=x\nExec=/opt/x\nUser=root\n")},
		{"root's files", "/home/mallory is not root's alone to write; root's programs read /home/mallory/env, by /etc/systemd/system/x.service", readsOf("etc/systemd/system/x.service", "[Service]\nEnvironmentFile=-/home/mallory/env\nExecStart=/bin/true\n")},
		{"root's files", "root's programs read /home/mallory/inc, by /etc/ssh/sshd_config", readsOf("etc/ssh/sshd_config.d/x.conf", "Include /home/mallory/inc/*.conf\n")},
		{"root's files", "root's programs read /home/mallory/lib/pam_m.so, by /etc/pam.d/login", func(f *fake) {
			f.add("etc/pam.d/login", "session optional /home/mallory/lib/pam_m.so\n")
			readsOf("etc/x", "")(f)
		}},
		{"root's files", "/etc/pam.d/own is not root's alone to write; root's programs read /etc/pam.d/own", func(f *fake) { // once, though it is there twice
			f.put("etc/pam.d/own", 0o666, 0, 0)
			f.add("etc/pam.d/login", "auth include /etc/pam.d/own\n")
		}},
		{"root's files", "cannot read /etc/ssh/sshd_config", drop("etc/ssh/sshd_config")},
		{"root's files", "root's programs read /home/mallory/lib, by /etc/ld.so.conf.d/x.conf", readsOf("etc/ld.so.conf.d/x.conf", "/home/mallory/lib\n")},
		{"root's files", "/dev/sda: who may read", blockDevice("dev/sda", 8, 0o666, 6)},
		{"root's files", "/dev/mapper/vg-x: who may read", blockDevice("dev/mapper/vg-x", 253, 0o640, 1001)},
		{"passwords", "that of root is empty", func(f *fake) {
			f.write("etc/shadow", strings.Replace(shadow, "root:*:", "root::", 1))
		}},
		{"passwords", "that of ada is empty", func(f *fake) { f.write("etc/shadow", strings.Replace(shadow, "ada:!:", "ada::", 1)) }},
		{"ssh keys", "those of ada from files that others may write", sshdSaying("strictmodes yes", "strictmodes no")},
		{"groups", "mallory may take anybody into docker", write("etc/gshadow", "docker:!:mallory:ada\n")},
		{"groups", "mallory may take anybody into forkgate-admin", write("etc/gshadow", "forkgate-admin:!:ada,mallory:ada\n")},
		{"groups", "the password of the group disk", write("etc/gshadow", "disk:$y$j9T$x::\n")},
		{"groups", "the password of the group disk", write("etc/group", strings.Replace(group, "disk:x:", "disk:$y$x:", 1))},
		{"PAM trusts", "/etc/pam.d/su: auth sufficient pam_wheel.so trust", write("etc/pam.d/su", "auth sufficient  pam_rootok.so\nauth\tsufficient pam_wheel.so trust\n")},
		{"PAM trusts", "/etc/pam.d/mine: auth [success=done default=ignore] pam_succeed_if.so user = root", func(f *fake) {
			f.write("etc/pam.d/sudo", "@include mine\n")
			f.write("etc/pam.d/mine", "auth [success=done default=ignore] pam_succeed_if.so user = root\n")
		}},
		{"PAM trusts", "pam_permit", write("etc/pam.d/common-auth", "-AUTH sufficient /lib/security/pam_permit.so\n")},
		{"debug shell", "enabled", func(f *fake) { says(f, "systemctl show", "disabled", "enabled") }},
		{"boot", "systemd.debug_shell", add("proc/cmdline", " systemd.debug_shell=1")},
		{"boot", "init=/bin/bash", write("proc/cmdline", "ro init=/bin/bash")},
		{"boot", "cannot read", drop("proc/cmdline")},
		{"boot", "rescue.service has SYSTEMD_SULOGIN_FORCE=1", func(f *fake) {
			f.programs["systemctl show "+properties+" -- emergency.service rescue.service"] = "Id=emergency.service\n\nId=rescue.service\nEnvironment=HOME=/root SYSTEMD_SULOGIN_FORCE=1\n"
		}},
		{"listener 23/tcp", "nobody knows", add("proc/net/tcp", strings.Replace(hears("00000000:0017", "0A"), "18436", "7", 1))},
		{"listener 69/udp", "systemd hears", func(f *fake) {
			f.write("proc/net/udp", hears("0A00000A:0045", "07"))
			f.files["proc/1/exe"] = &fstest.MapFile{Data: []byte("/usr/lib/systemd/systemd"), Mode: fs.ModeSymlink}
		}},
		{"listener 69/udp", "systemd of tftp.socket hears", func(f *fake) {
			f.write("proc/net/udp", hears("0A00000A:0045", "07"))
			f.files["proc/1/exe"] = &fstest.MapFile{Data: []byte("/usr/lib/systemd/systemd"), Mode: fs.ModeSymlink}
			f.programs["systemctl show "+properties+" -- *.socket"] = "Id=x.socket\nListen=[::]:169 (Datagram)\nListen=[::]:69 (Stream)\n\nId=tftp.socket\nListen=[::]:6900 (Datagram)\nListen=0.0.0.0:69 (Datagram)\n"
		}},
		{"listener 23/tcp", "in.telnetd of telnet.service", hearing("0017", "/usr/sbin/in.telnetd", "telnet.service", "")},
		// sshd's own unit, where sshd -T does not say so; and what has sshd's port, and is not sshd.
		{"listener 2200/tcp", "sshd of ssh.service", hearing("0898", "/usr/sbin/sshd", "ssh.service", "")},
		{"listener 22/tcp", "sshd of mine.service", hearing("0016", "/home/mallory/sshd", "mine.service", "")},
		{"listener 2222/tcp", "forkgate of mine.service", func(f *fake) {
			hearing("08AE", "/home/mallory/forkgate", "mine.service", "")(f)
			f.write("proc/net/tcp6", "")
		}},
		// What has the gate's port, and is not the gate.
		{"listener 2222/tcp", "nobody knows", func(f *fake) { delete(f.files, "proc/1/fd/3") }},
		{"listeners", "cannot be seen", drop("proc/net/tcp")},
		{"listeners", "the kernel is mute", func(f *fake) { f.mute = errors.New("the kernel is mute") }},
		{"listener 777/vsock", "socat of shell.service", onVsock(777, "77", "shell.service")},
	}
}

func TestWhatIsOpenIsFound(t *testing.T) {
	opened := map[string]bool{}
	for _, o := range openings() {
		opened[o.way] = true
		f := shut()
		o.opens(f)
		if r := row(t, f, o.way); r.State != Open || !strings.Contains(r.Found, o.found) || r.Do == "" {
			t.Errorf("want it open, and %q: %+v", o.found, r)
		}
	}
	for _, w := range ways(t.Context(), shut().host()) {
		if !opened[w.name] {
			t.Errorf("no test opens %s", w.name)
		}
	}
}

// A host of which nothing can be read or run: nothing that matters is closed for that.
func TestNothingIsNotClosed(t *testing.T) {
	f := &fake{files: fstest.MapFS{}}
	absent := map[string]bool{} // there is no such program, and so no way
	for _, name := range []string{"sshd", "sshd root", "sshd passwords", "ssh keys", "console", "desktops", "at", "sudo", "polkit", "doas", "sockets", "root's files", "PAM trusts"} {
		absent[name] = true
	}
	for _, r := range Examine(t.Context(), f.host()) {
		if r.State != Open && !absent[r.Way] {
			t.Errorf("%+v", r)
		}
	}
	var zero finding
	if zero.state != Open {
		t.Error("the zero finding is not open")
	}
}

// A host that gets its address by DHCP is none the more open; by another program, or port, it is.
func TestDHCPIsNoWayIn(t *testing.T) {
	for _, c := range []struct {
		port, program string
		want          State
	}{{"0044", "/usr/lib/systemd/systemd-networkd", Closed}, {"0044", "/usr/bin/socat", Open}, {"0045", "/usr/lib/systemd/systemd-networkd", Open}} {
		f := shut()
		f.write("proc/net/udp", strings.Replace(hears("0A00000A:"+c.port, "07"), "18436", "7", 1))
		f.files["proc/77/fd/0"] = &fstest.MapFile{Data: []byte("socket:[7]"), Mode: fs.ModeSymlink}
		f.files["proc/77/exe"] = &fstest.MapFile{Data: []byte(c.program), Mode: fs.ModeSymlink}
		f.write("proc/77/cgroup", "0::/system.slice/x.service\n")
		for _, r := range Examine(t.Context(), f.host()) {
			if strings.HasSuffix(r.Way, "/udp") && r.State != c.want {
				t.Errorf("%+v: %+v", c, r)
			}
		}
	}
}

func TestWhatIsExceptedIsNotCounted(t *testing.T) {
	f := shut()
	f.write("var/lib/systemd/linger/mallory", "")
	rows := Examine(t.Context(), f.host(), "lingering", "cron")
	if Count(rows, Open) != 0 || Count(Examine(t.Context(), f.host()), Open) != 1 {
		t.Errorf("%+v", rows)
	}
	for _, r := range rows {
		if r.Excepted != (r.Way == "lingering") {
			t.Errorf("%+v", r)
		}
	}
}

// UPDATE=1 go test writes the golden files.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got:\n%s", name, diff)
	}
}

func TestPages(t *testing.T) {
	f := shut()
	f.write("var/spool/cron/crontabs/mallory", "")
	f.add("etc/sudoers", "\"\x1b[31m\" ALL=(ALL) ALL\n")
	f.write("var/lib/systemd/linger/mallory", "")
	rows := Examine(t.Context(), f.host(), "lingering")
	var text, asJSON bytes.Buffer
	if err := Write(&text, rows); err != nil {
		t.Fatal(err)
	}
	golden(t, "page.txt", text.String())
	e := json.NewEncoder(&asJSON)
	e.SetIndent("", "  ")
	if err := e.Encode(rows); err != nil {
		t.Fatal(err)
	}
	golden(t, "page.json", asJSON.String())
}
