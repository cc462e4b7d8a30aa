// Package ways opens ways onto a host, as hosts have them, and comes in by each: for tests of forkgate doors, on whatever host.
package ways

import "strings"

// Opens opens them all, by bash. ada is an admin; mallory and penny are whom the doors are to be closed for. Its argument is a directory with their public keys.
// The host has sshd, as ssh.service, sudo, cron, logind, and socat.
const Opens = `
for name in ada mallory penny; do useradd --create-home --shell /bin/bash --password '*' $name; mkdir -p /home/$name/.ssh; done
cp "$1/ada.pub" /home/ada/.ssh/authorized_keys; cp "$1/mallory.pub" /home/mallory/.ssh/authorized_keys; mkdir -p /root/.ssh; cp "$1/mallory.pub" /root/.ssh/authorized_keys
for name in ada mallory penny; do chown -R $name: /home/$name; done
echo penny:secret | chpasswd
printf '#!/bin/sh\necho secret\n' >/usr/local/bin/secret; chmod 755 /usr/local/bin/secret
usermod -aG forkgate-admin ada
echo '%forkgate-admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admins; echo 'mallory ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/mallory
printf 'PermitRootLogin yes\nPasswordAuthentication no\nMatch Address 127.0.0.0/8\n    PasswordAuthentication yes\n' >/etc/ssh/sshd_config.d/own.conf

unit() { printf '[Service]\nExecStart=%s\nExecReload=/bin/kill -HUP $MAINPID\n' "$2" >/etc/systemd/system/$1.service; }
printf 'Port 2299\nUsePAM no\nPermitRootLogin yes\nPidFile none\n' >/etc/ssh/other_config
unit other '/usr/sbin/sshd -D -f /etc/ssh/other_config'
unit shell "/usr/bin/socat TCP-LISTEN:7777,reuseaddr,fork EXEC:/bin/sh"
groupadd -f docker; usermod -aG docker mallory; mkdir -p /run/podman
unit docker '/usr/bin/socat UNIX-LISTEN:/run/docker.sock,group=docker,mode=660,fork EXEC:/bin/sh'
unit podman '/usr/bin/socat UNIX-LISTEN:/run/podman/podman.sock,mode=666,fork EXEC:/bin/sh'
printf '@reboot /usr/bin/id -un >/var/tmp/cron-ran\n' | crontab -u mallory -
printf '@reboot touch /var/tmp/cron-of-root\n' | crontab -
cp /bin/dash /usr/local/bin/rootsh; chmod 4755 /usr/local/bin/rootsh
mkdir -p /var/lib/systemd/linger /home/mallory/.config/systemd/user/default.target.wants; touch /var/lib/systemd/linger/mallory
printf '[Service]\nExecStart=/bin/sleep 1d\n' >/home/mallory/.config/systemd/user/own.service; ln -s ../own.service /home/mallory/.config/systemd/user/default.target.wants/
chown -R mallory: /home/mallory
ln -s /dev/null /etc/systemd/system/autovt@.service
systemctl daemon-reload
systemctl start ssh other shell docker podman cron systemd-logind
`

// Entry is a way in: how forkgate doors calls it, and how one comes in by it. The command, in bash behind SSH, ends with code 0 exactly where somebody is in.
type Entry struct{ Way, Comes string }

// login is a login at a terminal of the machine's own: it asks PAM's service login, as a getty has it ask.
const login = `expect -c 'set timeout 20; spawn login penny; expect Password: { send secret\r }; expect -re {penny@.*[$]} { send "exit\r"; expect eof; exit 0 } eof { exit 1 }; exit 1'`

// Entries are what Opens has opened.
func Entries() []Entry {
	return []Entry{
		{"sshd", "$ssh mallory@127.0.0.1 true"},
		{"sshd root", "$ssh root@127.0.0.1 true"},
		{"sshd passwords", "SSH_ASKPASS=/usr/local/bin/secret SSH_ASKPASS_REQUIRE=force ${ssh/BatchMode=yes/BatchMode=no} -o PubkeyAuthentication=no penny@127.0.0.1 true"},
		{"ssh keys", "$ssh mallory@127.0.0.1 test -r .ssh/authorized_keys"},
		{"console", login},
		{"cron", `rm -f /var/tmp/cron-* /run/crond.reboot; systemctl restart cron
		for n in $(seq 200); do [ ! -e /var/tmp/cron-of-root ] || [ ! -s /var/tmp/cron-ran ] || exit 0; [ ! -e /var/tmp/cron-of-root ] || [ -e /var/spool/cron/crontabs/mallory ] || exit 1; sleep 0.05; done; exit 1`},
		{"groups", `test "$(echo id -u | runuser -u mallory -- socat -t 20 - UNIX-CONNECT:/run/docker.sock)" = 0`},
		{"sockets", `test "$(echo id -u | runuser -u nobody -- socat -t 20 - UNIX-CONNECT:/run/podman/podman.sock)" = 0`},
		{"sudo", `test "$(runuser -u mallory -- sudo -n id -u)" = 0`},
		{"lingering", `for n in $(seq 100); do systemctl show -p ActiveState user@$(id -u mallory) | grep -q '=activ' || exit 1; pgrep -u mallory -x sleep && exit; sleep 0.05; done; exit 1`},
		{"setuid", `test "$(runuser -u nobody -- /usr/local/bin/rootsh -p -c 'id -u')" = 0`},
		{"listener 2299/tcp", "$ssh -p 2299 mallory@127.0.0.1 true"},
		{"listener 7777/tcp", `test "$(echo id -u | socat -t 20 - TCP:127.0.0.1:7777)" = 0`},
	}
}

// SSH has $ssh be ssh with a key, and nothing of anybody's configuration.
func SSH(key string) string {
	return `ssh="ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes -o IdentitiesOnly=yes -i ` + key + `"; `
}

// Shape prints all that closing the doors could change, and what else there is beside it, by sh. Its arguments are more places to look at.
const Shape = `cd /; find etc var/spool/cron var/lib/systemd/linger usr/local "$@" \( -type f -o -type l -o -type s -o -type d \) ` +
	`-not -path '*/.pwd.lock' -printf '%p %y %m %U %G %l\n' | sort; find etc var/spool/cron var/lib/systemd/linger usr/local -type f -exec sha256sum {} + | sort -k 2`

// Differs are the lines that one text has and the other has not.
func Differs(a, b string) string {
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
