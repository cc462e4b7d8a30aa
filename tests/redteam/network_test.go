package redteam

// online shows, before an attempt, that the fork has a way out at all.
const online = "probe tcp " + worldAddress + " 80; "

const isOnline = "answer: world\ntcp: done\n"

// online6 is the same by IPv6.
const online6 = "probe tcp " + world6 + " 80; "

const private6 = "fd00:ec2::254 fd20:ce::254 64:ff9b::a9fe:a9fe fd77::1 2001:db8::1"

var networkRows = []row{
	{
		name: "ports of the host", by: "nft: the host has no port for pods",
		attempt: step{session, online + "for a in $UPLINK $GATEWAY; do probe tcp $a 7777; probe tcp $a 2222; probe udp $a 7777 x; done", isOnline + "(?:tcp: ECONNREFUSED\ntcp: ECONNREFUSED\nudp: (?:EACCES|EHOSTUNREACH|EPERM)\n?){2}"},
		control: &step{host, "probe tcp $UPLINK 7777; probe udp $UPLINK 7777 x", "answer: host\ntcp: done\nanswer: host\nudp: done"},
	},
	{
		name: "ports of the host", by: "nft: the host has no port for pods",
		attempt: step{container, online + "probe tcp $UPLINK 7777; probe tcp $GATEWAY 7777", isOnline + "tcp: ECONNREFUSED\ntcp: ECONNREFUSED"},
		control: &step{host, "probe tcp $UPLINK 7777", "answer: host\ntcp: done"},
	},
	{
		name: "the host's loopback", by: "a network namespace of the fork's own",
		attempt: step{container, online + "probe tcp 127.0.0.1 7777; probe tcp 127.0.0.1 2222", isOnline + "tcp: ECONNREFUSED\ntcp: ECONNREFUSED"},
		control: &step{host, "probe tcp 127.0.0.1 7777", "answer: host\ntcp: done"},
	},
	{
		name: "another pod", by: "nft: pods reach the uplink alone",
		attempt: step{session, online + "probe tcp $NEIGHBOUR 9000; probe udp $NEIGHBOUR 9000 x", isOnline + "tcp: ECONNREFUSED\nudp: (?:EACCES|EHOSTUNREACH|EPERM)"},
		control: &step{neighbour, "probe tcp $NEIGHBOUR 9000; probe udp $NEIGHBOUR 9000 x", "answer: calm\ntcp: done\nanswer: calm\nudp: done"},
	},
	{
		name: "another pod, by the fork's root", by: "nft: pods reach the uplink alone",
		attempt: step{container, online + "ip route add $NEIGHBOUR via $GATEWAY; probe tcp $NEIGHBOUR 9000; ip route del $NEIGHBOUR", isOnline + "tcp: ECONNREFUSED"},
		control: &step{neighbour, "probe tcp $NEIGHBOUR 9000", "answer: calm\ntcp: done"},
	},
	{
		name: "what production publishes", by: "nft: pods are no callers of published ports",
		attempt: step{session, online + "probe tcp $UPLINK 8443; probe tcp $GATEWAY 8443", isOnline + "tcp: ECONNREFUSED\ntcp: ECONNREFUSED"},
		control: &step{host, "ip netns exec world probe tcp $UPLINK 8443", "answer: production\ntcp: done"},
	},
	{
		name: "the cloud's metadata service", by: "nft: addresses that are never reachable",
		attempt: step{session, online + "for a in 169.254.169.254 168.63.129.16 100.100.100.200; do probe tcp $a 80; done", isOnline + "(?:tcp: ECONNREFUSED\n?){3}"},
		control: &step{host, "for a in 169.254.169.254 168.63.129.16 100.100.100.200; do probe tcp $a 80; done", "(?:answer: world\ntcp: done\n?){3}"},
	},
	{
		name: "the cloud's metadata service", by: "nft: addresses that are never reachable",
		attempt: step{container, online + "ip route add 169.254.169.254 via $GATEWAY; probe tcp 169.254.169.254 80; ip route del 169.254.169.254", isOnline + "tcp: ECONNREFUSED"},
		control: &step{host, "probe tcp 169.254.169.254 80", "answer: world\ntcp: done"},
	},
	{
		name: "the LAN and other private addresses", by: "nft: egress * is what is public",
		attempt: step{session, online + "for a in 192.168.77.1 10.9.9.9 172.20.1.1 " + routerAddress + "; do probe tcp $a 80; done", isOnline + "(?:tcp: ECONNREFUSED\n?){4}"},
		control: &step{host, "for a in 192.168.77.1 10.9.9.9 172.20.1.1 " + routerAddress + "; do probe tcp $a 80; done", "(?:answer: world\ntcp: done\n?){4}"},
	},
	{
		name: "a source address that is not its own", by: "nft: one source for each link",
		attempt: step{container, online + "probe spoof 8.8.8.8 " + worldAddress + " 80 forged; probe spoof $NEIGHBOUR " + worldAddress + " 80 forged; probe udp " + worldAddress + " 80 honest",
			isOnline + "spoof: done\nspoof: done\nanswer: world\nudp: done"},
		after:   []step{{host, "grep -E 'honest|forged' /root/world", uplinkAddress + " honest"}},
		control: &step{host, "probe spoof 8.8.8.8 " + worldAddress + " 80 unruly; probe udp " + worldAddress + " 80 later; for i in $(seq 50); do ! grep -q unruly /root/world || break; sleep 0.1; done; grep unruly /root/world", "spoof: done\nanswer: world\nudp: done\n8.8.8.8 unruly"},
	},
	{
		name: "another pod's address taken", by: "nft: one source for each link",
		attempt: step{container, online + "ip address add $NEIGHBOUR/32 dev eth0; ip route replace " + worldAddress + " via $GATEWAY dev eth0 src $NEIGHBOUR; probe udp " + worldAddress + " 80 stolen; ip address del $NEIGHBOUR/32 dev eth0; ip route del " + worldAddress + "; " + online,
			isOnline + "udp: ETIMEDOUT\n" + isOnline[:len(isOnline)-1]},
		after: []step{{host, "grep -c stolen /root/world", "0"}, {neighbour, online, isOnline[:len(isOnline)-1]}},
	},
	{
		name: "host, pods, LAN and metadata by IPv6", by: "nft: the same rules",
		attempt: step{session, online + online6 + "for a in $GATEWAY6 2001:4860::2 $NEIGHBOUR6; do for p in 7777 8443 9000; do probe tcp $a $p; done; done; for a in 2001:4860::1 " + private6 + "; do probe tcp $a 80; done",
			isOnline + isOnline + "(?:tcp: ECONNREFUSED\n?){15}"},
		control: &step{host, "probe tcp 2001:4860::2 7777; for a in 2001:4860::1 " + private6 + "; do probe tcp $a 80; done", "answer: host\ntcp: done\n(?:answer: world\ntcp: done\n?){6}"},
	},
	{
		// The world answers neither packet, and writes down what reaches it. The route takes the address only once that is ready, and is
		// tried until then: without it the probe would leave with the pod's own.
		name: "another pod's IPv6 address taken", by: "nft: one source for each link",
		attempt: step{container, online6 + "probe udp " + world6 + " 80 own6; ip -6 address add $NEIGHBOUR6/128 dev eth0; for i in $(seq 30); do ip -6 route add " + world6 + " via $GATEWAY6 dev eth0 src $NEIGHBOUR6 2>/dev/null && break; sleep 1; done; ip -6 route show " + world6 + " | grep -q src && probe udp " + world6 + " 80 stolen6; ip -6 route del " + world6 + "; ip -6 address del $NEIGHBOUR6/128 dev eth0; " + online6,
			isOnline + "(?:udp: ETIMEDOUT\n){2}" + isOnline[:len(isOnline)-1]},
		after: []step{{host, "grep -c own6 /root/world; grep -c stolen6 /root/world", "1\n0"}, {neighbour, online6, isOnline[:len(isOnline)-1]}},
	},
	{
		name: "data carried out by names", by: "the pod's resolver refuses",
		attempt: step{container, online + "nslookup c2VjcmV0.example.org 127.0.0.1 2>&1 | grep -o REFUSED | head -n 1", isOnline + "REFUSED"},
	},
	{
		name: "a way out where policy gives none", by: "no link", tight: true,
		attempt: step{session, "ls /sys/class/net; probe tcp " + worldAddress + " 80", "lo\ntcp: ENETUNREACH"},
		control: &step{neighbour, online, isOnline[:len(isOnline)-1]},
	},
	{
		name: "a link of the fork's own making", by: "a network namespace of the fork's own", tight: true,
		attempt: step{container, "ip link add x type veth peer name y; ip address add " + uplinkAddress + "/24 dev x; ip link set x up; ip link set y up; probe tcp " + routerAddress + " 80", "tcp: EHOSTUNREACH"},
		after:   []step{{host, "ip -o link | grep -cE ': [xy]@'", "0"}},
	},
}
