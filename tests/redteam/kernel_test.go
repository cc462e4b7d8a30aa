package redteam

// Calls that reach past namespaces, or that nobody in a fork needs.
var kernelRows = []row{
	{
		name: "io_uring", attempt: step{session, "probe io_uring", "io_uring: EPERM"}, by: "seccomp",
		control: &step{unfiltered, "probe io_uring", "io_uring: done"},
	},
	{
		name: "io_uring", attempt: step{container, "probe io_uring", "io_uring: EPERM"}, by: "seccomp, which --privileged does not lift",
		control: &step{unfiltered, "probe io_uring", "io_uring: done"},
	},
	{
		name: "userfaultfd", attempt: step{container, "probe userfaultfd", "userfaultfd: EPERM"}, by: "seccomp",
		control: &step{unfiltered, "probe userfaultfd", "userfaultfd: done"},
	},
	{
		name: "perf", attempt: step{session, "probe perf", "perf: EPERM"}, by: "seccomp",
		control: &step{unfiltered, "probe perf", "perf: done"},
	},
	{
		name: "perf", attempt: step{container, "probe perf", "perf: EPERM"}, by: "seccomp",
		control: &step{unfiltered, "probe perf", "perf: done"},
	},
	{
		name: "bpf", attempt: step{session, "probe bpf", "bpf: EPERM"}, by: "seccomp",
		control: &step{host, "probe bpf", "bpf: done"},
	},
	{
		name: "bpf", attempt: step{container, "probe bpf", "bpf: EPERM"}, by: "it wants the host's CAP_BPF",
		control: &step{host, "probe bpf", "bpf: done"},
	},
	{
		name: "vsock, to the hypervisor", attempt: step{session, "probe socket 40 1 0", "socket: EPERM"}, by: "seccomp",
		control: &step{unfiltered, "probe socket 40 1 0", "socket: done"},
	},
	{
		name: "vsock, to the hypervisor", attempt: step{container, "probe socket 40 1 0; probe wide-socket 40 1", "socket: EPERM\nwide-socket: EPERM"}, by: "seccomp",
		control: &step{unfiltered, "probe socket 40 1 0", "socket: done"},
	},
	{
		name: "kernel crypto, IPsec, XDP sockets", by: "seccomp",
		attempt: step{container, "probe socket 38 5 0; probe wide-socket 38 5; probe socket 15 3 2; probe socket 44 3 0; probe socket 16 3 6",
			"socket: EPERM\nwide-socket: EPERM\nsocket: EPERM\nsocket: EPERM\nsocket: EPERM"},
		control: &step{unfiltered, "probe socket 16 3 6", "socket: done"},
	},
	{
		name: "modules and kexec", attempt: step{container, "probe module; probe kexec", "module: EPERM\nkexec: EPERM"}, by: "seccomp",
	},
	{
		name: "the kernel's log", attempt: step{container, "probe syslog", "syslog: EPERM"}, by: "seccomp",
		control: &step{host, "probe syslog", "syslog: done"},
	},
	{
		name: "the clock", attempt: step{container, "probe clock", "clock: EPERM"}, by: "seccomp",
		control: &step{host, "probe clock", "clock: EINVAL"}, // permitted, and that time does not exist
	},
	{
		name: "accounting and swap", attempt: step{container, "probe acct /host/srv/$GUID/orders; probe swapon /host/srv/$GUID/orders", "acct: EPERM\nswapon: EPERM"}, by: "seccomp",
		control: &step{host, "probe swapon /etc/hostname", "swapon: EINVAL"},
	},
	{
		name: "the 32-bit and x32 entries", attempt: step{session, "probe int80; probe x32", "int80: (?:ENOSYS|no such entry)\nx32: ENOSYS"}, by: "seccomp looks at the architecture",
		control: &step{unfiltered, "probe int80", "int80: (?:EFAULT|EPERM|no such entry)"}, // the call is made, where the kernel has that entry
	},
	{
		name: "a user namespace", attempt: step{session, "probe unshare 10000000; probe clone; try tool unshare -Ur true", "unshare: EPERM\nclone: EPERM\ntool: Operation not permitted"}, by: "seccomp",
		control: &step{unfiltered, "probe unshare 10000000; probe clone", "unshare: done\nclone: done"},
	},
	{
		name: "other namespaces, mounts, chroot",
		attempt: step{session, "for ns in 00020000 02000000 04000000 08000000 20000000 40000000; do probe unshare $ns; done; probe mount tmpfs /tmp; try chroot chroot /srv /bin/true",
			"(?:unshare: EPERM\n){6}mount: EPERM\nchroot: Operation not permitted"},
		by:      "seccomp, no capabilities",
		control: &step{unfiltered, "probe unshare 00020000", "unshare: done"},
	},
	{
		name: "typing into a terminal", attempt: step{session, "script -qec 'probe tiocsti /dev/tty' /dev/null </dev/null", "tiocsti: EPERM"}, by: "seccomp",
		control: &step{host, "grep -qx 0 /proc/sys/dev/tty/legacy_tiocsti 2>/dev/null && echo 'tiocsti: done' || script -qec 'probe tiocsti /dev/tty' /dev/null </dev/null", "x?tiocsti: done\\s*x?"},
	},
	{
		name: "a crash that starts the host's core_pattern program", by: "a core limit of 1 that cannot be changed",
		attempt: step{session, "probe core 0; ulimit -Sc 0; grep -o 'core file size.*' /proc/self/limits | tr -s ' '", "limit: 1\ncore: (?:done|EPERM)\ncore file size 1 1 bytes"},
		control: &step{unfiltered, "probe core 0", "limit: 0\ncore: done"},
	},
	{
		name: "a crash that starts the host's core_pattern program", by: "a core limit of 1 that cannot be changed",
		attempt: step{container, "probe core 0", "limit: 1\ncore: (?:done|EPERM)"},
		control: &step{unfiltered, "probe core 0", "limit: 0\ncore: done"},
	},
	{
		name: "priority, realtime, and the OOM killer's favour", by: "no capability over the host",
		attempt: step{container, "try oom sh -c 'echo -1000 >/proc/self/oom_score_adj'; probe realtime; probe nice; try files sh -c 'ulimit -Hn 999999999'",
			"oom: Permission denied\nrealtime: EPERM\nnice: (?:EACCES|EPERM)\nfiles: Operation not permitted"},
		control: &step{host, "probe nice", "nice: done"},
	},
	{
		name: "a reboot", attempt: step{container, "echo rebooting; " + heard("rebooting") + "; reboot -f", "rebooting"}, own: true,
		after: []step{{host, "systemctl is-active forkgate-warden", "active"}, {neighbour, "cat secret", "calm-only"}, {session, "cat orders", "an order"}},
		by:    "a pid namespace of the fork's own: its pods end",
	},
}
