package redteam

// eachLimit tries to write the limits of the fork's own group, by the hierarchies that a host may have.
const eachLimit = `mkdir /tmp/two; mount -t cgroup2 x /tmp/two; for f in memory.max pids.max cpu.max cgroup.max.descendants cgroup.freeze cgroup.kill; do
	[ ! -e /tmp/two/$f ] || try $f sh -c 'echo max >/tmp/two/$0' $f; done
for c in memory pids cpu; do mkdir /tmp/$c; mount -t cgroup -o $c x /tmp/$c 2>/dev/null || continue; for f in memory.limit_in_bytes pids.max cpu.cfs_quota_us; do
	[ ! -e /tmp/$c/$f ] || try $f sh -c 'echo -1 >/tmp/$0/$1' $c $f; done; done; echo end`

var cgroupRows = []row{
	{
		name: "its cgroup left", by: "a read-only mount", attempt: step{session, "try leave sh -c 'echo $$ >/sys/fs/cgroup/cgroup.procs'; try make mkdir /sys/fs/cgroup/x", "leave: (?:Read-only file system|Permission denied|No such file or directory)\nmake: (?:Read-only file system|Permission denied|No such file or directory)"},
		control: &step{host, "d=/sys/fs/cgroup; [ ! -d $d/unified ] || d=$d/unified; try leave sh -c 'mkdir $0/x && rmdir $0/x' $d", "leave: done"},
	},
	{
		name: "limits of the fork raised", by: "limit files stay the host's root's", attempt: step{container, eachLimit, "(?:[a-z._]+: Permission denied\n)+end"},
		control: &step{host, "f=$(find /sys/fs/cgroup -path \"*forkgate-pod@$GUID.service/pids.max\" | head -n 1); try raise sh -c 'cat $0 >/tmp/l; cat /tmp/l >$0' $f", "raise: done"},
	},
	{
		name: "a release_agent", by: "a cgroup namespace, files of the host's root",
		attempt: step{container, "for c in memory pids cpu cpuset devices freezer blkio systemd; do o=$c; [ $c != systemd ] || o=none,name=systemd; mkdir -p /tmp/r/$c; try $c sh -c 'mount -t cgroup -o $1 x /tmp/r/$0 && echo /x >/tmp/r/$0/release_agent' $c $o; done",
			"(?:[a-z]+: (?:Permission denied|Operation not permitted|No such file or directory|Invalid argument|Device or resource busy)\n?){8}"},
	},
	{
		name: "a process put into another group", by: "a cgroup namespace, files of the host's root",
		attempt: step{container, `mkdir /tmp/two; mount -t cgroup2 x /tmp/two; echo groups: $(find /tmp/two -name cgroup.procs | wc -l); find /tmp/two | grep -cE 'forkgate|slice|unified'
			for c in freezer devices cpuset; do mkdir /tmp/$c; mount -t cgroup -o $c x /tmp/$c 2>/dev/null || continue; try $c sh -c 'echo $$ >/tmp/$0/tasks' $c; done; echo end`,
			"groups: [1-9][0-9]*\n0\n(?:[a-z]+: Permission denied\n)*end"},
		control: &step{host, "[ $(find /sys/fs/cgroup -name cgroup.procs | grep -c forkgate) -gt 0 ] && echo seen", "seen"},
	},
	{
		name: "another fork frozen", by: "a cgroup namespace, files of the host's root",
		attempt: step{container, `mkdir /tmp/f; if mount -t cgroup -o freezer x /tmp/f 2>/dev/null; then try freeze sh -c 'echo FROZEN >/tmp/f/freezer.state || mkdir /tmp/f/x'; else mount -t cgroup2 x /tmp/f; try freeze sh -c 'echo 1 >/tmp/f/cgroup.freeze'; fi`,
			"freeze: Permission denied"},
		after: []step{{neighbour, "probe tcp 127.0.0.1 9000", "answer: calm\ntcp: done"}},
	},
}
