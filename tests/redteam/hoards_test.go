package redteam

// Taking terminals ends the pod, within a fifth of a second; then the neighbour has some again.
const (
	endedFromOutside = onStderr + "forkgate: the session was ended from outside, session [a-z0-9]+"
	// ownTerminals is a devpts of one's own, for as many terminals as the host has.
	ownTerminals = "mkdir -p /tmp/p; mount -t devpts -o newinstance,ptmxmode=666 x /tmp/p; "
)

// invocations names the runs of the neighbour's pod and of production's: who was ended, and started anew, has another.
const invocations = "for guid in $OTHER $PARENT; do systemctl show -P InvocationID forkgate-pod@$guid; done"

var beforeTerminals = []step{{host, invocations + " | tee /root/invocations | grep -c .", "[12]"}}

var terminalsAreBack = []step{
	{host, invocations + " | cmp - /root/invocations && echo the same", "the same"},
	{neighbour, work, "undisturbed"},
	{host, "probe few; journalctl --sync; journalctl -q -o cat -u forkgate-pod@$GUID -g 'terminals run out' | tail -1",
		"few: done\nforkgate-pod: the host's terminals run out, and the pod holds many: [0-9]+, and [0-9]+ descriptors in sockets"},
}

// forkBomb is the classic one, with somebody beside it who says when nothing more can be started.
const forkBomb = `exec python3 -c '
import os, subprocess, sys
null = subprocess.DEVNULL
subprocess.Popen(["bash", "-c", "b() { b | b & }; b"], stdin=null, stdout=null, stderr=null)
while True:
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
print("held: all", flush=True)
sys.stdin.read()
os.kill(-1, 9)'`

// Attempts to take all of something. Each is made in a fork with narrow limits; meanwhile another fork and the host work on.
var hoardRows = []row{
	{
		name: "inotify instances", by: "user namespaces of the fork's own user", hoards: true, tight: true,
		attempt: step{session, "probe inotify", "held: [1-9][0-9]* by EMFILE\ninotify: EMFILE"},
		control: &step{host, `as="setpriv --reuid=65534 --regid=65534 --clear-groups"; { until [ -e /root/over ]; do sleep 0.1; done; } | $as probe inotify >/root/held &
			until grep -q held /root/held; do sleep 0.1; done; cat /root/held; $as probe few; touch /root/over; wait`, "held: [0-9]+ by EMFILE\nfew: EMFILE"},
	},
	{
		name: "inotify instances", by: "user namespaces of the fork's own user", hoards: true, tight: true,
		attempt: step{container, "probe inotify", "held: [1-9][0-9]* by EMFILE\ninotify: EMFILE"},
	},
	{
		name: "fanotify groups", by: "user namespaces of the fork's own user", hoards: true, tight: true,
		attempt: step{container, "probe fanotify", "held: [1-9][0-9]* by EMFILE\nfanotify: EMFILE"},
	},
	{
		name: "terminals", by: "who holds many when they run out is ended", tight: true, before: beforeTerminals, after: terminalsAreBack,
		attempt: step{session, "sleep 60 | probe terminals /dev/ptmx 18000 >/dev/null", endedFromOutside},
		control: &step{host, `hog() { unshare -Urm bash -c "` + ownTerminals + `$1"; }; rm -f /root/over /root/held
			hog '{ until [ -e /root/over ]; do sleep 0.1; done; } | probe terminals /tmp/p/ptmx 18000 >/root/held' &
			until grep -q held /root/held; do sleep 0.1; done; cat /root/held; try open hog ': <>/tmp/p/ptmx'; touch /root/over; wait`,
			"held: [0-9]+ by ENOSPC\nopen: No space left on device"},
	},
	{
		name: "terminals", by: "who holds many when they run out is ended", tight: true, before: beforeTerminals, after: terminalsAreBack,
		attempt: step{container, ownTerminals + "sleep 60 | probe terminals /tmp/p/ptmx 18000 >/dev/null", endedFromOutside},
	},
	{
		name: "terminals, hidden in sockets in sockets", by: "who hides what when they run out is ended", tight: true, before: beforeTerminals, after: terminalsAreBack,
		attempt: step{session, "sleep 60 | probe hidden-terminals /dev/ptmx 18000 >/dev/null", endedFromOutside},
	},
	{
		name: "open files", by: "a limit of processes, memory", hoards: true, tight: true,
		attempt: step{session, "probe files 40", "held: [0-9]+ by (?:EMFILE|EAGAIN|ENOMEM)\nfiles: E[A-Z]+"},
	},
	{
		name: "the disk", by: "a quota", hoards: true, tight: true, own: true,
		attempt: step{session, "probe big-file big", "held: [1-9][0-9]* by EDQUOT\nbig-file: EDQUOT"},
		after:   []step{{host, "forkgate show $REF | grep -oE 'quota .* of 96MiB'", "quota .* of 96MiB"}},
		control: &step{neighbour, "dd if=/dev/zero of=big bs=1M count=120 status=none && echo written; rm big", "written"},
	},
	{
		name: "the disk", by: "a quota", hoards: true, tight: true, own: true,
		attempt: step{container, "probe big-file /host/var/lib/docker/big", "held: [1-9][0-9]* by EDQUOT\nbig-file: EDQUOT"},
	},
	{
		name: "inodes", by: "a quota, which names count for", hoards: true, tight: true, own: true,
		attempt: step{session, "mkdir many; probe small-files many", "held: [1-9][0-9]+ by EDQUOT\nsmall-files: EDQUOT"},
	},
	{
		name: "processes", by: "a limit of processes", hoards: true, tight: true,
		attempt: step{session, "probe processes", "held: [1-9][0-9]+ by EAGAIN\nprocesses: EAGAIN"},
		control: &step{neighbour, "probe processes </dev/null", "held: [1-9][0-9]{3} by EAGAIN\nprocesses: EAGAIN"}, // its limit is 2048
	},
	{
		name: "processes", by: "a limit of processes", hoards: true, tight: true,
		own:     true,
		attempt: step{container, "probe processes", "held: [1-9][0-9]+ by EAGAIN(?:\n.*)*"}, // its Docker suffers as well
	},
	{
		name: "a fork bomb", by: "a limit of processes", hoards: true, tight: true,
		attempt: step{session, forkBomb, "held: all"},
	},
	{
		name: "memory", by: "a limit of memory", hoards: true, tight: true,
		attempt: step{session, "probe memory 64", "held: [0-9]+ by ENOMEM\nmemory: ENOMEM"},
	},
	{
		name: "memory", by: "a limit of memory", hoards: true, tight: true, own: true,
		attempt: step{container, "probe memory 64", "held: [0-9]+ by ENOMEM\nmemory: ENOMEM"},
	},
	{
		name: "memory, as files of a tmpfs", by: "a limit of memory, which tmpfs counts for", tight: true, own: true,
		attempt: step{container, "mkdir /tmp/m; mount -t tmpfs -o size=90% x /tmp/m; exec dd if=/dev/zero of=/tmp/m/big bs=1M count=2000",
			// No process's death gives the memory back, so the kernel may come to the pod's own: then all of it is gone.
			onStderr + "(?s:.*)forkgate: (?:demo:hog[0-9]+ reached its memory limit of 384MiB, and the kernel killed a process\n.*|" +
				"the session was ended from outside, session [a-z0-9]+)"},
		after: []step{{neighbour, work, "undisturbed"}, {host, "probe few && systemctl is-active forkgate-warden", "few: done\nactive"}},
	},
}
