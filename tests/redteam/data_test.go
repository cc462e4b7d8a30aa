package redteam

var dataRows = []row{
	{
		name:    "production's data by path",
		attempt: step{session, "try list ls /srv; try read cat /srv/$PARENT/secret", "list: done [0-9a-f-]{36}\nread: No such file or directory"},
		by:      "a mount tree of the fork's own",
		control: &step{host, "try read cat $POOL/repos/$PARENT/tree/data/secret", "read: done production-only"},
	},
	{
		name:    "production's data by path",
		attempt: step{container, "try list ls /host/srv; try read cat /host/srv/$PARENT/secret", "list: done [0-9a-f-]{36}\nread: No such file or directory"},
		by:      "a mount tree of the fork's own",
		control: &step{production, "cat /srv/$PARENT/secret", "production-only"},
	},
	{
		name:    "another fork's data by path",
		attempt: step{container, "try read cat /host/srv/$OTHER/secret", "read: No such file or directory"},
		by:      "a mount tree of the fork's own",
		control: &step{neighbour, "cat /srv/$OTHER/secret", "calm-only"},
	},
	{
		name:    "the pool by its path on the host",
		attempt: step{container, "try pool ls -d /host$POOL; try lib ls -d /host/var/lib/forkgate", "pool: No such file or directory\nlib: No such file or directory"},
		by:      "trees are mounted by descriptor",
		control: &step{host, "try pool ls -d $POOL", "pool: done /var/lib/forkgate/pool"},
	},
	{
		name:    "up from the data, above its mount",
		attempt: step{container, "probe climb /host/srv/$GUID repos; probe climb /host/var/lib/docker forks; probe climb /host/home forks", "climb: ENOENT\nclimb: ENOENT\nclimb: ENOENT"},
		by:      "a mount's root has nothing above",
		control: &step{host, "probe climb $POOL/forks/$GUID/tree/data var/lib/forkgate/pool/repos", "climb: done"},
	},
	{
		name: "other roots by /proc/PID/root",
		attempt: step{container, "echo processes: $(ls -d /proc/[0-9]* | wc -l); try pool sh -c 'ls -d /proc/[0-9]*/root$0 /proc/[0-9]*/cwd$0' $POOL",
			"processes: [1-9][0-9]*\npool: No such file or directory"},
		by:      "a pid namespace of the fork's own",
		control: &step{host, "try pool ls -d /proc/1/root$POOL", "pool: done /proc/1/root/var/lib/forkgate/pool"},
	},
	{
		name: "descriptors that the fork's init has",
		attempt: step{container, `echo open: $(ls /proc/1/fd | wc -l); for f in /proc/1/fd/*; do case $(readlink $f) in
			socket:* | pipe:* | anon_inode:* | /null | net:*) ;; *) echo "$f -> $(readlink $f)"; probe climb $f pool;; esac; done`,
			"open: [1-9][0-9]*(?:\n/proc/1/fd/[0-9]+ -> /\nclimb: ENOENT)*"},
		by:      "close_range, detached clones",
		control: &step{host, "exec 9<$POOL/forks/$GUID; probe climb /proc/self/fd/9 var/lib/forkgate/pool", "climb: done"},
	},
	{
		name:    "names of repositories and callers in mountinfo",
		attempt: step{session, "echo mounts: $(wc -l </proc/self/mountinfo); grep -E 'demo|bob|alice|calm' /proc/self/mountinfo; echo end", "mounts: [1-9][0-9]*\nend"},
		by:      "the pool's paths are GUIDs",
	},
	{
		name:    "the pool's disk by a device node",
		attempt: step{container, "for d in /tmp /host/srv/$GUID /host/dev /host/tmp; do try $d mknod $d/disk b $DISK; done", `(?:/[^:]*: Operation not permitted\n?){4}`},
		by:      "a user namespace has no CAP_MKNOD over devices",
		control: &step{host, "mknod /root/disk b $DISK; try read dd if=/root/disk bs=1 skip=65600 count=8 status=none; rm /root/disk", "read: done _BHRfS_M"},
	},
	{
		name:    "disks among the devices that are there",
		attempt: step{container, "try null ls /host/dev/null; try disks find /dev /host/dev -type b", "null: done /host/dev/null\ndisks: done"},
		by:      "a /dev made of six nodes",
		control: &step{host, "find /dev -type b | head -n 1", "/dev/.+"},
	},
	{
		name:    "a disk's filesystem mounted",
		attempt: step{container, "mkdir /tmp/m; try mount mount -t btrfs -o ro /host/srv/$GUID/orders /tmp/m; try ext4 mount -t ext4 /dev/null /tmp/m", `mount: permission denied .*\next4: permission denied .*`},
		by:      "filesystems on disks want the host's CAP_SYS_ADMIN",
		control: &step{host, "mkdir -p /mnt/m; mount -t btrfs -o ro,subvolid=5 /dev/block/$(echo $DISK | tr ' ' :) /mnt/m || mount -t btrfs -o ro,subvolid=5 $(findmnt -no SOURCE $POOL | sed 's/\\[.*//') /mnt/m; cat /mnt/m/repos/$PARENT/tree/data/secret; umount /mnt/m", "production-only"},
	},
	{
		name:    "loop devices",
		attempt: step{container, "try node mknod /dev/loop-control c 10 237; try loop losetup /dev/loop31 /host/srv/$GUID/orders; echo here: $(ls /host/dev | grep -c loop)", "node: Operation not permitted\nloop: No such file or directory\nhere: 0"},
		by:      "no node of theirs in /dev",
		control: &step{host, "losetup -f", "/dev/loop[0-9]+"},
	},
	{
		name: "mounts of the fork made different",
		attempt: step{container, `try rw mount -o remount,rw /host; try suid mount -o remount,bind,suid /host/home; try dev mount -o remount,bind,dev /host/srv/$GUID
			try tools touch /host/usr/bin/x; nsenter -t 1 -m sh -c 'umount /proc || umount -l /srv/* || umount -l /dev' && echo off || echo on`,
			"rw: permission denied .*\nsuid: permission denied .*\ndev: permission denied .*\ntools: Read-only file system\non"},
		by: "mounts made before the user namespace are locked",
	},
	{
		name:    "production's data by a file handle",
		attempt: step{session, "probe handle . $PARENTTREE data/secret", "handle: EPERM"},
		by:      "seccomp, user namespace",
		// Host root, in a mount namespace that has nothing of the pool but one fork's subvolume.
		control: &step{host, `unshare --mount --propagation private sh -ec 'mount --bind $0 /mnt; umount -l $1; ls $1 | wc -l; probe handle /mnt $2 data/secret' $POOL/forks/$GUID/tree $POOL $PARENTTREE`,
			"0\nread: production-only\nhandle: done"},
	},
	{
		name:    "production's data by a file handle",
		attempt: step{container, "probe handle /host/srv/$GUID $PARENTTREE data/secret", "handle: EPERM"},
		by:      "seccomp, which --privileged does not lift",
		control: &step{host, `unshare --mount --propagation private sh -ec 'mount --bind $0 /mnt; umount -l $1; probe handle /mnt $2 data/secret' $POOL/forks/$GUID/tree $POOL $PARENTTREE`,
			"read: production-only\nhandle: done"},
	},
	{
		name:    "another fork's data by a file handle, without the filter",
		attempt: step{unfiltered, "probe handle /srv/$GUID $OTHERTREE data/secret", "handle: (?:EPERM|ESTALE)"},
		by:      "the kernel: nothing outside of the mount, for who is not the host's root",
		control: &step{host, "probe handle $POOL/forks/$GUID/tree $OTHERTREE data/secret", "read: calm-only\nhandle: done"},
	},
}
