package doors

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"testing/fstest"
)

// fake is a host that tests open: its files, and what its programs print, by their command lines.
type fake struct {
	files    fstest.MapFS
	programs map[string]string
	has      map[string][]byte // extended attributes, by name:attribute
	ran      []string
	vsock    []vsocket
	mute     error // that the kernel does not say what listens there
}

func (f *fake) hears() ([]vsocket, error) { return f.vsock, f.mute }

func (f *fake) host() *Host {
	attribute := func(name, attribute string) ([]byte, error) { return f.has[name+":"+attribute], nil }
	return &Host{Files: f.files, Program: "/usr/bin/forkgate", Attribute: attribute, Vsock: f.hears, Run: func(_ context.Context, argv ...string) (string, error) {
		command := strings.Join(argv, " ")
		f.ran = append(f.ran, command)
		if file := f.files[sshdConfig]; file != nil && strings.Contains(string(file.Data), "Match LocalPort") && strings.HasPrefix(command, "sshd -T") && !strings.Contains(command, " lport=") {
			return "", errors.New("sshd: exit status 255: 'Match LocalPort' in configuration but 'lport' not in connection test specification") // as the real one
		}
		best := ""
		for prefix := range f.programs {
			if strings.HasPrefix(command, prefix) && len(prefix) > len(best) {
				best = prefix
			}
		}
		if best == "" {
			return "", errors.New(argv[0] + ": exit status 1")
		}
		return f.programs[best], nil
	}}
}

// within makes the directories above a file, which are root's.
func (f *fake) within(name string) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		f.files[dir] = &fstest.MapFile{Mode: fs.ModeDir | 0o755, Sys: &syscall.Stat_t{}}
	}
}

func (f *fake) write(name, text string) {
	f.within(name)
	f.files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644, Sys: &syscall.Stat_t{}}
}

func (f *fake) put(name string, mode fs.FileMode, uid, gid uint32) {
	f.within(name)
	f.files[name] = &fstest.MapFile{Mode: mode, Sys: &syscall.Stat_t{Uid: uid, Gid: gid}}
}

func (f *fake) add(name, text string) {
	f.write(name, string(f.files[name].Data)+text)
}

const (
	passwd = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
ada:x:1000:1000::/home/ada:/bin/bash
mallory:x:1001:1001::/home/mallory:/bin/bash
build:x:1002:1002::/:/usr/bin/forkgate
`
	shadow = "root:*:1::::::\ndaemon:*:1::::::\nada:!:1::::::\nmallory:!:1::::::\nbuild:*:1::::::\n"
	group  = "root:x:0:\ndaemon:x:1:\nsudo:x:27:ada\ndocker:x:999:ada\ndisk:x:6:\nada:x:1000:\nmallory:x:1001:\nforkgate-admin:x:998:ada\nforkgate-accounts:x:997:build\n"

	sshdSays = "port 22\nusepam yes\npermitrootlogin no\npasswordauthentication no\nkbdinteractiveauthentication no\npubkeyauthentication yes\nstrictmodes yes\n" +
		"authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2\nauthorizedkeyscommand none\ntrustedusercakeys none\nforcecommand none\ndisableforwarding no\n"
	forcedSays = "port 22\nusepam yes\nforcecommand /usr/bin/forkgate session --repo shop+build\ndisableforwarding yes\nauthorizedkeysfile /etc/forkgate/authorized_keys/%u\n"
	unitSays   = "Id=debug-shell.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n"
)

// shut is a Debian whose doors are all closed, or gated.
func shut() *fake {
	f := &fake{files: fstest.MapFS{}, has: map[string][]byte{}, programs: map[string]string{
		"sshd -T": sshdSays, "sshd -T -C addr=192.0.2.1 -C host=client.invalid -C lport=65535 -C user=build": forcedSays, "systemctl show": unitSays,
		"systemctl show " + properties + " -- getty@*.service": "Id=getty@tty1.service\nActiveState=active\nExecStart={ path=/sbin/agetty ; argv[]=/sbin/agetty -o -p -- \\u --noclear - $TERM ; }\n",
		"systemctl show " + properties + " -- forkgate-gate":   "Id=forkgate-gate.socket\nListen=[::]:2222 (Stream)\n",
		"systemctl show " + properties + " -- *.socket":        "Id=forkgate-gate.socket\nListen=[::]:2222 (Stream)\n",
		"systemctl show " + properties + " -- ssh.service":     "Id=ssh.service\nLoadState=loaded\n\nId=sshd.service\nLoadState=not-found\n",
	}}
	for name, text := range map[string]string{
		"etc/passwd": passwd, "etc/shadow": shadow, "etc/group": group, "etc/gshadow": "docker:!::ada\n", "etc/nsswitch.conf": "passwd: files systemd\ngroup: files systemd\n",
		"etc/pam.d/sshd":  gateBlock(sshdService, "/usr/bin/forkgate") + "@include common-auth\n@include common-account\n",
		"etc/pam.d/login": gateBlock(console, "/usr/bin/forkgate") + "auth optional pam_faildelay.so\n@include common-account\n",
		"usr/sbin/sshd":   "", "bin/login": "", "etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n", "usr/sbin/cron": "", "etc/cron.allow": "root\nada\n",
		"usr/bin/sudo": "", "etc/sudoers": "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n", "usr/bin/pkexec": "",
		"proc/cmdline": "root=/dev/sda1 ro quiet\n", "proc/net/tcp": hears("00000000:0016", "0A") + hears("0100007F:1F90", "0A"), "proc/net/tcp6": hears("00000000000000000000000000000000:08AE", "0A"),
		"proc/net/udp": "", "home/ada/.ssh/authorized_keys": "ssh-ed25519 AAAA ada\n", "proc/1/cgroup": "0::/init.scope\n", "lib/x/security/pam_exec.so": "", "lib/x/security/pam_succeed_if.so": "",
	} {
		f.write(name, text)
	}
	f.files["proc/1/fd/3"] = &fstest.MapFile{Data: []byte("socket:[18436]"), Mode: fs.ModeSymlink}
	device("etc/systemd/system/masked.service", 1, 3)(f)
	f.put("run/docker.sock", fs.ModeSocket|0o660, 0, 999)
	return f
}

// hears is a line of /proc/net/tcp, or of its likes.
func hears(address, state string) string {
	return "   0: " + address + " 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000     0        0 18436 1\n"
}

func says(f *fake, command, from, to string) {
	f.programs[command] = strings.ReplaceAll(f.programs[command], from, to)
}
