package redteam

// What a fork's root leaves behind, for the host's root to stumble over. The attempt is what the host does then.
var hostileRows = []row{
	{
		name: "links to the host's files in the data: show, fork, enter, remove", by: "root walks no fork's files", own: true,
		before: []step{{container, `cd /host/srv/$GUID; rm -rf bin orders; for l in bin orders data tree docker .forkgate Rediaccfile; do ln -s /etc $l; done; ln -s /etc/shadow shadow; ln -s $0 loop; ls -ld shadow | grep -c etc`, "1"}},
		attempt: step{host, `sum() { cat /etc/shadow /etc/passwd; ls -lA /etc; }; sum | md5sum >/root/sum; forkgate show $REF >/dev/null && forkgate fork $REF ${REF#*:}x >/dev/null && forkgate rm ${REF}x >/dev/null && forkgate show $REF | grep -c ready; sum | md5sum | cmp - /root/sum && echo same`,
			"[01]\nsame"},
		after: []step{{session, "ls -l /etc/shadow 2>/dev/null | wc -l; readlink shadow", "[01]\n/etc/shadow"}},
	},
	{
		name: "links where its Docker directory had directories: it is settled", by: "settling works inside, and follows no link", own: true,
		before: []step{
			{container, `cd /host/srv/$GUID; mkdir victim; echo kept >victim/file; cd /host/var/lib/docker; for d in network plugins swarm runtimes; do rm -rf $d; ln -s /srv/$GUID/victim $d; done
				echo another >forkgate-settled; ls -l | grep -c victim`, "4"},
			{host, "systemctl stop forkgate-pod@$GUID; echo stopped", "stopped"},
		},
		attempt: step{session, "docker version -f '{{.Server.Os}}'; cat victim/file", "linux\nkept"},
		after:   []step{{container, "[ $(cat /host/var/lib/docker/forkgate-settled) = $GUID ] && echo settled", "settled"}},
		control: &step{unfiltered, "cd /srv/$GUID; ln -s victim l; rm -rf l/*; ls victim | wc -l", "0"},
	},
	{
		name: "a layer that is a path: it is settled", by: "a layer's name has no slash", own: true,
		before: []step{
			{container, `cd /host/srv/$GUID; mkdir victim; echo kept >victim/file; cd /host/var/lib/docker/image/overlay2/layerdb; mkdir -p mounts/x; echo -n ../../../../srv/$GUID/victim >mounts/x/mount-id
				echo another >/host/var/lib/docker/forkgate-settled; ls -d /host/var/lib/docker/overlay2/$(cat mounts/x/mount-id)`, "/host/.*victim"},
			{host, "systemctl stop forkgate-pod@$GUID; echo stopped", "stopped"},
		},
		attempt: step{session, "docker version -f '{{.Server.Os}}' 2>&1 | grep -o 'does not start'; cat victim/file", "does not start\nkept"},
		after:   []step{{host, "for i in $(seq 50); do forkgate logs $REF | grep -q 'victim.* is no layer' && break; sleep 0.1; done; forkgate logs $REF | grep -o 'is no layer' | head -n 1", "is no layer"}},
		control: &step{unfiltered, "cd /srv/$GUID; rm -rf /var/lib/docker/overlay2/../../../../srv/$GUID/victim; ls -d victim 2>/dev/null; echo gone", "gone"},
	},
	{
		name: "a setuid program: a user of the host runs it", by: "ids of nobody; nosuid, noexec; a pool that is root's", own: true,
		before: []step{{container, "cp /bin/probe /host/srv/$GUID/planted; chmod 6755 /host/srv/$GUID/planted; stat -c '%u %a' /host/srv/$GUID/planted", "0 6755"}},
		attempt: step{host, `f=$POOL/forks/$GUID/tree/data/planted; stat -c '%u %a' $f; try user setpriv --reuid=65534 --regid=65534 --clear-groups $f privileges; try root $f privileges
			mkdir -p /mnt/m; mount --bind $POOL/forks/$GUID/tree/data /mnt/m; mount -o remount,bind,exec,suid /mnt/m; setpriv --reuid=65534 --regid=65534 --clear-groups /mnt/m/planted privileges; umount /mnt/m`,
			"2147352576 6755\nuser: Permission denied\nroot: Permission denied\nuid 2147352576, capabilities 0\nprivileges: done"},
		control: &step{host, "install -m 4755 /usr/local/bin/probe /usr/local/bin/planted2; setpriv --reuid=65534 --regid=65534 --clear-groups planted2 privileges", "uid 0, capabilities [1-9a-f][0-9a-f]*\nprivileges: done"},
	},
	{
		name: "file capabilities: a user of the host runs it", by: "they count in the fork's user namespace alone", own: true,
		before: []step{{container, "cp /bin/probe /host/srv/$GUID/planted; chmod 755 /host/srv/$GUID/planted; probe capable /host/srv/$GUID/planted", "capable: done"}},
		attempt: step{host, `mkdir -p /mnt/m; mount --bind $POOL/forks/$GUID/tree/data /mnt/m; mount -o remount,bind,exec,suid /mnt/m; setpriv --reuid=65534 --regid=65534 --clear-groups /mnt/m/planted privileges; umount /mnt/m`,
			"uid 65534, capabilities 0\nprivileges: done"},
		control: &step{host, "cp /usr/local/bin/probe /usr/local/bin/capable2; probe capable /usr/local/bin/capable2; setpriv --reuid=65534 --regid=65534 --clear-groups capable2 privileges", "capable: done\nuid 65534, capabilities 1\nprivileges: done"},
	},
	{
		name: "a device node in the data: the fork opens it", by: "nodev, and a user namespace", own: true,
		before:  []step{{host, "mknod $POOL/forks/$GUID/tree/data/disk b $DISK; chmod 666 $POOL/forks/$GUID/tree/data/disk; test -b $POOL/forks/$GUID/tree/data/disk && echo there", "there"}},
		attempt: step{container, "test -b /host/srv/$GUID/disk && echo there; try read head -c1 /host/srv/$GUID/disk", "there\nread: Permission denied"},
		after:   []step{{session, "test -b disk && echo there; try read head -c1 disk", "there\nread: Permission denied"}},
		control: &step{host, "mknod /root/disk2 b $DISK; dd if=/root/disk2 bs=1 skip=65600 count=8 status=none; rm /root/disk2", "_BHRfS_M"},
	},
	{
		name: "nested subvolumes: fork, remove", by: "removal takes what is below first", own: true,
		before:  []step{{unfiltered, "probe subvolume /srv/$GUID one; probe subvolume /srv/$GUID/one two; probe subvolume /var/lib/docker three; probe seal /srv/$GUID/one/two", "(?:subvolume: done\n){3}seal: .*"}},
		attempt: step{host, "forkgate rm $REF >/dev/null && echo removed; ls -d $POOL/forks/$GUID; btrfs subvolume list $POOL | grep -c $GUID; forkgate show $REF >/dev/null 2>&1; echo $?", "removed\n0\n254"},
	},
	{
		name: "a home made read-only: remove", by: "root deletes read-only subvolumes too", own: true,
		before:  []step{{container, "probe seal /host/home", "seal: done"}},
		attempt: step{host, "forkgate rm $REF >/dev/null && echo removed; ls -d $POOL/forks/$GUID 2>/dev/null; echo end", "removed\nend"},
	},
	{
		name: "the Docker socket swapped for a link: the pod restarts", by: "the host's sockets lie where no fork reaches", own: true,
		before: []step{{container, "cd /host/run/rediacc; s=$(ls); umount $s 2>&1 | grep -oE 'Invalid argument|not permitted'; mv $s x 2>&1 | grep -oE 'busy|not permitted'; cd ..; mv rediacc was 2>/dev/null; rm -f docker.sock; ln -s /run/dbus/system_bus_socket docker.sock; mkdir -p rediacc; ln -s /run/dbus/system_bus_socket rediacc/$s 2>/dev/null; readlink docker.sock",
			"(?:Invalid argument|not permitted)\n(?:busy|not permitted)\n/run/dbus/system_bus_socket"}},
		attempt: step{host, "ls -l /run/dbus/system_bus_socket | cut -d' ' -f1,3,4; systemctl stop forkgate-pod@$GUID && echo stopped; ls -l /run/dbus/system_bus_socket | cut -d' ' -f1,3,4",
			"s[rwx-]+ root root\nstopped\ns[rwx-]+ root root"},
		after: []step{{session, "docker version -f '{{.Server.Os}}'; ls -l /run/docker.sock | grep -c rediacc", "linux\n1"}, {host, "stat -c '%F %a' /run/forkgate/pods/$GUID/docker.sock", "socket 660"}},
	},
	{
		name: "links at the places of homes: the next session", by: "a home is opened without following links", own: true,
		before: []step{
			{container, "cd /host/home; for h in *; do mv $h was; ln -s /etc $h; done; ls -l | grep -c -- '-> /etc'", "1"},
			{host, "systemctl stop forkgate-pod@$GUID; echo stopped", "stopped"},
		},
		attempt: step{session, "echo in; ls $HOME", onStderr + "forkgate: the gate failed, session [a-z0-9]+\nhint: .*"},
		control: &step{host, "ls $POOL/forks/$GUID/home/*.agent/passwd", "/.*passwd"},
	},
	{
		name: "escape sequences in what its daemon prints: forkgate logs", by: "the journal's text is printed, not what is in it", own: true,
		before:  []step{{container, `for i in $(seq 20); do probe say $(pidof dockerd) 2 "$(printf '<0>an emergency\033]0;owned\007\033[2J')" 1 >/dev/null || echo silent; sleep 0.1; done; echo printed`, "printed"}},
		attempt: step{host, `for i in $(seq 50); do forkgate logs $REF docker >/root/logs; grep -qE 'blob|emergency' /root/logs && break; sleep 0.1; done; grep -cE 'blob|emergency' /root/logs; grep -c $(printf '\033') /root/logs; journalctl -p 0..3 --no-pager --all | grep -c 'an emergency'`, "[1-9][0-9]*\n0\n0"},
		control: &step{host, `journalctl --all -o cat --no-pager SYSLOG_IDENTIFIER=dockerd | grep -c $(printf '\033')`, "[1-9][0-9]*"},
	},
	{
		name: "names with escape sequences and newlines: show, forks, remove", by: "root walks no fork's files", own: true,
		before:  []step{{container, `cd /host/srv/$GUID; mkdir "$(printf 'x\033]0;owned\007')" "$(printf 'a\nb')" -- '-rf' '$(touch owned)' "$(printf '%0200d' 0)"; ls | wc -l`, "[4-9]"}},
		attempt: step{host, `{ forkgate show $REF; forkgate forks demo; } >/root/out; grep -c ${REF#*:} /root/out; grep -c $(printf '\033') /root/out; forkgate rm $REF | grep -c $(printf '\033'); ls -d $POOL/forks/$GUID 2>/dev/null; echo end`, "[1-9]\n0\n0\nend"},
	},
	{
		name: "mounts made in the fork: the host's mounts", by: "no propagation out of a pod",
		before:  []step{{host, "wc -l </proc/self/mountinfo >/root/mounts; echo counted", "counted"}},
		attempt: step{container, "mkdir /tmp/m; try mount mount -t tmpfs x /tmp/m; try shared mount --make-rshared /host; try bind mount --bind /tmp/m /host/srv/$GUID/bin; grep -c /bin /proc/self/mountinfo", "mount: done\nshared: .*\nbind: done\n[1-9][0-9]*"},
		after:   []step{{host, "wc -l </proc/self/mountinfo | cmp - /root/mounts && echo same", "same"}, {session, "ls bin", "probe"}},
		control: &step{host, "mkdir -p /mnt/m; mount -t tmpfs x /mnt/m; wc -l </proc/self/mountinfo | cmp -s - /root/mounts || echo more; umount /mnt/m", "more"},
	},
	{
		name: "the journal flooded", by: "ten lines a second",
		attempt: step{container, "for i in $(seq 20); do probe say $(pidof dockerd) 2 'a flood of lines' 5000 >/dev/null || echo silent; sleep 0.1; done; echo flooded",
			"(?:silent\n){0,19}flooded"}, // a daemon that forks at this moment has two pids
		after:   []step{{host, "n=$(journalctl --no-pager -o cat SYSLOG_IDENTIFIER=dockerd | grep -c 'a flood of lines'); [ $n -gt 0 ] && [ $n -lt 2000 ] && echo few", "few"}},
		control: &step{host, "yes 'a torrent of lines' | head -n 5000 | systemd-cat -t torrent; for i in $(seq 50); do [ $(journalctl --no-pager -o cat -t torrent | wc -l) -gt 2000 ] && { echo many; break; }; sleep 0.1; done", "many"},
	},
}
