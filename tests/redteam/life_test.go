package redteam

var lifeRows = []row{
	{
		name: "a process that outlives its session", by: "a pid namespace for each session ends with it",
		before:  []step{{session, "setsid -f sleep 51515 </dev/null >/dev/null 2>&1; (setsid setsid sleep 51515 </dev/null >/dev/null 2>&1 &); nohup sleep 51515 >/dev/null 2>&1 & pgrep -fc '[s]leep 51515'", "[1-9]"}},
		attempt: step{host, "for i in $(seq 50); do n=$(pgrep -fc '^sleep 51515'); [ $n != 0 ] || break; sleep 0.1; done; echo left: $n", "left: 0"},
		control: &step{host, "setsid -f sleep 61616; for i in $(seq 50); do pgrep -f '^sleep 61616' >/dev/null && break; sleep 0.1; done; pgrep -fc '^sleep 61616'; pkill -f '^sleep 61616'", "1"},
	},
	{
		name: "a process that outlives its container", by: "its pod's pid namespace and cgroup", own: true,
		before: []step{
			{session, "docker run -d --privileged --pid=host --cgroupns=host --restart always -v $PWD:/data rt sh -c 'mkdir /sys/fs/cgroup/hidden; echo $$ >/sys/fs/cgroup/hidden/cgroup.procs; (setsid sleep 71717 &); touch /data/started; exec sleep 71717' >/dev/null; for i in $(seq 100); do [ ! -e started ] || break; sleep 0.1; done; ls started", "started"},
			{host, "pgrep -fc '^sleep 71717'", "[12]"},
		},
		attempt: step{host, `link=fg$((($(forkgate show --json $REF | sed -n 's/.*"network_id": \([0-9]*\).*/\1/p') - 2816) / 64)); ip -o link show $link | wc -l; forkgate rm $REF >/dev/null && echo removed
			for i in $(seq 50); do ip -o link show $link >/dev/null 2>&1 || break; sleep 0.1; done # the kernel takes it with the namespace, in its own time
			echo left: $(pgrep -fc '^sleep 71717') $(ls -d $POOL/forks/$GUID /run/forkgate/pods/$GUID 2>/dev/null | wc -l) $(find /sys/fs/cgroup -name "*$GUID*" | wc -l) $(grep -c $GUID /proc/self/mountinfo) $(ip -o link show $link 2>/dev/null | wc -l)`,
			"1\nremoved\nleft: 0 0 0 0 0"},
	},
}

// theirTurn makes forks until the next one gets the ids of one that was removed: those of the spare that has waited longest.
const theirTurn = `n=0; spares() { for g in $POOL/spare/*; do echo /run/forkgate/pods/${g##*/}/spare.sock; done | xargs ls -tr 2>/dev/null; }
	until [ $(spares | wc -l) = 4 ] && grep -q "\"network_id\":$(cat /root/network)," $(dirname $(spares | head -n 1))/spec.json; do
		[ $(spares | wc -l) = 4 ] || { sleep 0.2; continue; }
		n=$((n + 1)); forkgate fork demo:turn$n >/dev/null || exit 1
		[ $n -le 4 ] || forkgate rm demo:turn$((n - 4)) >/dev/null # of forks there are 8 at most; and a number that is late comes round
	done; echo its turn`

// soleRows are disturbed by forks that others make.
var soleRows = []row{
	{
		name: "what is left for the next fork with the same ids", by: "all of it was in namespaces, subvolumes and mounts of the fork", own: true,
		before: []step{
			{container, "probe add_key forks-key >/dev/null; echo x >/host/dev/shm/left; echo x >/host/tmp/left; echo x >/host/home/left; echo x >/host/srv/$GUID/left; echo $NETWORK >/host/srv/$GUID/network; probe find_key forks-key; ls /host/dev/shm/left", "find_key: done\n/host/dev/shm/left"},
			{session, "docker run -d rt sleep 81818 >/dev/null; cat network", "[0-9]+"},
			{host, `cat $POOL/forks/$GUID/tree/data/network >/root/network; forkgate rm $REF >/dev/null; ` + theirTurn, "its turn"},
			{session, "cat orders", "an order"}, // of the same name: a new one
		},
		attempt: step{container, "echo network $NETWORK; probe find_key forks-key; ls /host/dev/shm /host/tmp /host/home /host/srv/*/left 2>/dev/null | grep -c left; ps -o args | grep -c '[s]leep 81818'", "network [0-9]+\nfind_key: ENOKEY\n0\n0"},
		after:   []step{{session, "docker ps -aq | wc -l; echo $REDIACC_NETWORK_ID >network", "0"}, {host, "forkgate show --json $REF | grep -c \"network_id\\\": $(cat /root/network)\"; for ref in $(forkgate forks demo | grep -o 'demo:turn[0-9]*'); do forkgate rm $ref >/dev/null; done", "1"}},
	},
}
