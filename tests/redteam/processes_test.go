package redteam

var processRows = []row{
	{
		name: "other processes seen", by: "a pid namespace of the session's own",
		attempt: step{session, "echo own: $(ls -d /proc/[0-9]* | wc -l); pgrep -fl '[p]robe serve|[f]orkgate-pod|[s]ystemd|[d]ockerd|[i]nit machine'; echo end", "own: [1-9]\nend"},
		control: &step{host, "pgrep -fc 'forkgate-pod run'", "[1-9][0-9]*"},
	},
	{
		name: "other processes seen", by: "a pid namespace of the fork's own",
		attempt: step{container, "echo dockerd: $(pidof dockerd | wc -w); ps -o args | grep -E 'probe [s]erve|[f]orkgate-pod|[s]ystemd|init [s]essions'; echo end", "dockerd: 1\nend"},
		control: &step{host, "pgrep -fc 'probe serve'", "[1-9][0-9]*"},
	},
	{
		name: "another session of the same fork traced and killed", by: "a pid namespace for each session",
		beside: &step{session, "sleep 41414", ""},
		attempt: step{session, "echo own: $(ls -d /proc/[0-9]* | wc -l), $(pgrep -fc '[s]leep 41414') others; for pid in $(seq 20 60); do probe kill $pid 0; done | sort | uniq -c | awk '{ print $2, $3 }'; probe ptrace 1; probe kill 1 9",
			"own: [2-4], 0 others\nkill: ESRCH\nptrace: EPERM\nkill: EPERM"},
		after: []step{{host, "pgrep -fc '^sleep 41414'", "1"}},
	},
	{
		name: "the warden and the gate killed", by: "a pid namespace of the fork's own",
		attempt: step{session, "probe kill $WARDEN 9; probe kill $GATE 9; probe ptrace $WARDEN", "kill: ESRCH\nkill: ESRCH\nptrace: ESRCH"},
		after:   []step{{host, "systemctl show -P MainPID forkgate-warden forkgate-gate | xargs | grep -x \"$WARDEN $GATE\" | wc -l", "1"}},
		control: &step{host, "probe kill $WARDEN 0; probe kill $GATE 0", "kill: done\nkill: done"},
	},
	{
		name: "everything killed", by: "a pid namespace of the fork's own", own: true,
		attempt: step{container, "echo killing $(ls -d /proc/[0-9]* | wc -l); " + heard("killing") + "; kill -9 -1", "killing [1-9][0-9]*"},
		after: []step{
			{host, "systemctl show -P MainPID forkgate-warden forkgate-gate | xargs | grep -x \"$WARDEN $GATE\" | wc -l", "1"},
			{neighbour, "probe tcp 127.0.0.1 9000", "answer: calm\ntcp: done"}, {session, "echo alive", "alive"},
		},
	},
	{
		name: "the init of the fork's sessions killed", by: "the halves are siblings",
		attempt: step{container, "for pid in $(ls /proc | grep -E '^[0-9]+$'); do tr '\\0' ' ' </proc/$pid/cmdline; echo; done | grep -cE 'init [s]essions' ; probe kill 1 9; ls -d /proc/1", "0\nkill: done\n/proc/1"},
		after:   []step{{session, "echo alive", "alive"}},
		control: &step{host, "pgrep -fc '^init sessions'", "[1-9][0-9]*"},
	},
	{
		name: "a planted setuid program", by: "nosuid, no_new_privs",
		before:  []step{{container, "cp /bin/probe /host/srv/$GUID/planted; chmod 4755 /host/srv/$GUID/planted; stat -c '%u %a' /host/srv/$GUID/planted", "0 4755"}},
		attempt: step{session, "./planted privileges", "uid 7111, capabilities 0\nprivileges: done"},
		control: &step{host, "install -m 4755 /usr/local/bin/probe /usr/local/bin/planted; setpriv --reuid=7111 --regid=7111 --clear-groups planted privileges", "uid 0, capabilities [1-9a-f][0-9a-f]*\nprivileges: done"},
	},
	{
		name: "planted file capabilities", by: "nosuid, no_new_privs, an empty bounding set",
		before:  []step{{container, "cp /bin/probe /host/srv/$GUID/capable; chmod 755 /host/srv/$GUID/capable; probe capable /host/srv/$GUID/capable", "capable: done"}},
		attempt: step{session, "./capable privileges", "uid 7111, capabilities 0\nprivileges: done"},
		control: &step{host, "cp /usr/local/bin/probe /usr/local/bin/capable; probe capable /usr/local/bin/capable; setpriv --reuid=7111 --regid=7111 --clear-groups capable privileges", "capable: done\nuid 7111, capabilities 1\nprivileges: done"},
	},
	{
		name: "a fork's Docker made to run something on the host", by: "its daemon is root of the fork alone",
		attempt: step{session, "docker run --rm --privileged --pid=host -v /:/host rt chroot /host sh -c 'id -u; cat /proc/self/uid_map | tr -s \" \"; ls /var/lib/forkgate || echo nothing' 2>/dev/null", "0\n 0 1[0-9]{9} 65536\nnothing"},
		control: &step{host, "tr -s ' ' </proc/self/uid_map", " ?0 0 4294967295"},
	},
}
