package redteam

const denied = "(?:Permission denied|Operation not permitted|Read-only file system)"

// What the kernel shows and lets root set.
var procRows = []row{
	{
		name: "core_pattern, modprobe, hotplug", by: "sysctls of the host are its root's",
		attempt: step{session, "for f in kernel/core_pattern kernel/modprobe kernel/hostname vm/drop_caches; do [ ! -e /proc/sys/$f ] || try $f sh -c 'echo x >/proc/sys/$0' $f; done", "(?:[a-z/_]+: " + denied + "\n?)+"},
		control: &step{host, "try read sh -c ': >>/proc/sys/kernel/core_pattern'", "read: done"},
	},
	{
		name: "core_pattern, modprobe, sysrq", by: "sysctls of the host are its root's",
		attempt: step{container, "for f in sys/kernel/core_pattern sys/kernel/modprobe sys/vm/drop_caches sys/fs/file-max sys/kernel/pty/max sysrq-trigger; do [ ! -e /host/proc/$f ] || try $f sh -c 'echo h >/host/proc/$0' $f; done",
			"(?:[a-z/_-]+: " + denied + "\n?){3,}"},
		control: &step{host, "try open sh -c ': >>/proc/sys/kernel/core_pattern'", "open: done"},
	},
	{
		name: "what is writable in /proc/sys", by: "only what a namespace has of its own",
		attempt: step{container, "probe writable /host/proc/sys | grep -vE '/sys/(net|user)/|/kernel/(hostname|domainname|msg|sem|shm|auto_msgmni|shmall|ns_last_pid|pid_max)|/fs/mqueue/'",
			"writable: done"},
		control: &step{host, "[ $(probe writable /proc/sys/kernel | wc -l) -gt 30 ] && echo many", "many"},
	},
	{
		name: "what is writable in /sys", by: "sysfs belongs to the host's root",
		attempt: step{container, "probe writable /host/sys | grep -vE '^/host/sys/(devices/virtual/net|fs/cgroup)/'",
			"writable: done"},
		control: &step{host, "[ $(probe writable /sys/module | wc -l) -gt 20 ] && echo many", "many"},
	},
	{
		name: "the kernel's memory and addresses", by: "no node, no capability over the host",
		attempt: step{container, "try mem mknod /tmp/mem c 1 1; try kmsg mknod /tmp/kmsg c 1 11; [ ! -e /proc/kcore ] || try kcore head -c1 /proc/kcore; echo addresses: $(awk '$1 !~ /^0+$/' /proc/kallsyms | wc -l)",
			"mem: Operation not permitted\nkmsg: Operation not permitted\n(?:kcore: Operation not permitted\n)?addresses: 0"},
		control: &step{host, "try kmsg mknod /root/kmsg c 1 11; rm /root/kmsg", "kmsg: done"},
	},
	{
		name: "debugfs, tracefs, securityfs", by: "no mount in a user namespace",
		attempt: step{container, "mkdir /tmp/m; for fs in debugfs tracefs securityfs configfs pstore; do try $fs mount -t $fs x /tmp/m; done", "(?:[a-z]+: (?:permission denied .*|No such device)\n?){5}"},
		control: &step{host, "mkdir -p /mnt/m; try debugfs mount -t debugfs x /mnt/m; umount /mnt/m", "debugfs: done"},
	},
	{
		name: "what a session is not to read in /proc", by: "masks",
		attempt: step{session, "ls /proc/self/status; for f in kcore keys timer_list sched_debug; do [ ! -e /proc/$f ] || echo $f: $(head -c 100 /proc/$f 2>/dev/null | wc -c); done; for d in acpi scsi asound; do [ ! -e /proc/$d ] || echo $d: $(ls -A /proc/$d 2>/dev/null | wc -l); done",
			"/proc/self/status(?:\n[a-z_]+: 0)+"},
		control: &step{host, "[ $(head -c 100 /proc/keys | wc -c) -gt 0 ] && echo read", "read"},
	},
	{
		name: "the host's keys", by: "keyrings of a user namespace of its own",
		before: []step{{host, "probe add_key hosts-key", "add_key: done"}},
		attempt: step{container, "probe add_key forks-key; probe find_key forks-key; probe find_key hosts-key; echo seen: $(grep -c hosts-key /proc/keys)",
			"add_key: done\nfind_key: done\nfind_key: ENOKEY\nseen: 0"},
		after:   []step{{host, "probe find_key forks-key", "find_key: ENOKEY"}},
		control: &step{host, "probe find_key hosts-key", "find_key: done"},
	},
	{
		name: "keyrings", by: "seccomp", attempt: step{session, "probe add_key x; probe find_key x", "add_key: EPERM\nfind_key: EPERM"},
		control: &step{unfiltered, "probe add_key x; probe find_key x", "add_key: done\nfind_key: done"},
	},
	{
		name: "the host's name", by: "a UTS namespace of the fork's own", attempt: step{container, "hostname pwned; hostname", "pwned"},
		after: []step{{host, "hostname", "t[a-z0-9-]+"}, {neighbour, "test $(hostname) != pwned && echo other", "other"}},
	},
}
