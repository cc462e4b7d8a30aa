package doctor

import "strings"

func brokenUnits() []breakage {
	dead := without("systemctl show")
	return []breakage{
		{"systemd", Red, `pid 1 is "init"`, "boot with systemd", file("proc/1/comm", "init")},
		{"systemd", Red, "does not say", "apt-get install systemd", without("systemctl --version")},
		{"systemd", Yellow, "systemd 249", "upgrade", prints("systemctl --version", "systemd 249 (249.11)\n")},
		{"d-bus", Yellow, "no system bus", "dbus.socket", remove("run/dbus/system_bus_socket")},
		{"units", Red, "not loaded: forkgate-pod@doctor.service", "make install", state("forkgate-pod@doctor.service", "LoadState", "not-found")},
		{"units", Red, "not loaded: forkgate-gate.socket", "make install", state("forkgate-gate.socket", "LoadState", "masked")},
		{"units", Yellow, "changed on disk", "daemon-reload", state("forkgate-warden.service", "NeedDaemonReload", "yes")},
		{"units", Red, "does not answer", "systemctl status", dead},
		{"enabled", Yellow, "forkgate.target", "systemctl enable", state("forkgate.target", "UnitFileState", "disabled")},
		{"enabled", Yellow, "mount", "systemctl enable var-lib", state(mountUnit, "UnitFileState", "disabled")},
		{"enabled", Red, "does not answer", "systemctl status", dead},
		{"running", Red, "down: forkgate-warden.service", "start forkgate.target", state("forkgate-warden.service", "ActiveState", "inactive")},
		{"running", Red, "down: forkgate-gate.socket", "start forkgate.target", state("forkgate-gate.socket", "ActiveState", "failed")},
		{"running", Red, "down: forkgate-net.service", "start forkgate.target", state("forkgate-net.service", "ActiveState", "inactive")},
		{"running", Red, "down: forkgate-net.service; forkgate-net.service is failed", "journalctl -u forkgate-net says why", state("forkgate-net.service", "ActiveState", "failed")},
		{"running", Red, "forkgate-net.service is activating", "journalctl -u forkgate-net says why", state("forkgate-net.service", "ActiveState", "activating")},
		{"running", Red, "forkgate-warden.service is failed", "restart forkgate-warden", state("forkgate-warden.service", "ActiveState", "failed")},
		{"running", Red, "has failed", "journalctl -u forkgate-gate", state("forkgate-gate.service", "ActiveState", "failed")},
		{"running", Red, "forkgate-net.socket listens at /run/forkgate/net/net.sock, which has been removed", "systemctl restart forkgate-net.socket",
			state("forkgate-net.socket", "Listen", "/run/forkgate/net/net.sock (SequentialPacket)")},
		{"running", Red, "does not answer", "systemctl status", dead},
		{"user forkgate", Red, "there is none", "systemd-sysusers", without("getent passwd forkgate")},
		{"user forkgate", Red, "it is root", "userdel", prints("getent passwd forkgate", "forkgate:x:0:0::/:/bin/sh\n")},
		{"user forkgate-egress", Red, "there is none", "systemd-sysusers", without("getent passwd forkgate-egress")},
		{"user rediacc", Yellow, "no user", "systemd-sysusers", without("getent passwd 7111")},
		{"user rediacc", Yellow, "uid 7111 is bob", "usermod", prints("getent passwd 7111", "bob:x:7111:7111::/:/bin/sh\n")},
	}
}

func brokenSettings() []breakage {
	gate := state("forkgate-gate.socket", "Listen", "0.0.0.0:22 (Stream)")
	ufw := file("etc/ufw/ufw.conf", "# /etc/ufw/ufw.conf\nENABLED=yes\n")
	firewalld := state("firewalld.service", "ActiveState", "active")
	all := []breakage{
		{"kernel.yama.ptrace_scope", Yellow, "no Yama", "boot a kernel", remove("proc/sys/kernel/yama/ptrace_scope")},
		{"kernel.kptr_restrict", Yellow, `"on" is no number`, "kernel.kptr_restrict = 1", value("kernel.kptr_restrict", "on")},
		{"user.max_net_namespaces", Yellow, "96364, and should be 1024", "user.max_net_namespaces = 1024", value("user.max_net_namespaces", "96364")},
		{"user.max_net_namespaces", Yellow, "16, and Docker", "user.max_net_namespaces = 1024", value("user.max_net_namespaces", "16")},
		{"user.max_net_namespaces", Yellow, "no network namespaces", "boot", remove("proc/sys/user/max_net_namespaces")},
		{"kernel.core_pattern", Yellow, "systemd-coredump", "core_pattern = core", value("kernel.core_pattern", "|/usr/lib/systemd/systemd-coredump %P")},
		{"kernel.core_pattern", Yellow, "apport", "disable --now apport", value("kernel.core_pattern", "|/usr/share/apport/apport %p")},

		{"nft", Red, "no nft", "nftables", without("nft --version")},
		{"net.ipv4.ip_forward", Yellow, "switched it off", "restart forkgate-net", both(
			value("net.ipv4.ip_forward", "0"), file(lent, "eth0\neth1"), value("net.ipv4.conf.eth0.forwarding", "1"), value("net.ipv4.conf.eth1.forwarding", "0"))},
		{"IPv6 of pods", Yellow, "eth1 does not forward", "restart forkgate-net", both(
			file(lent6, "eth0\neth1"), value("net.ipv6.conf.eth0.force_forwarding", "1"), value("net.ipv6.conf.eth1.force_forwarding", "0"))},
		{"IPv6 of pods", Yellow, "all does not forward", "restart forkgate-net", both(file(lent6, "all"), value("net.ipv6.conf.all.forwarding", "0"))},
		{"net.ipv4.conf.*.rp_filter", Yellow, "all 0, default 0", "rp_filter = 2", value("net.ipv4.conf.default.rp_filter", "0")},
		{"nftables.conf", Yellow, "somebody saved", "out of /etc/nftables.conf", file("etc/nftables.conf", "flush ruleset\ntable inet forkgate_fence { # progname forkgate\n")},
		{"host's Docker", Yellow, "no chain DOCKER-USER", "restart docker", file("sys/class/net/docker0/mtu", "1500")},
		{"ufw", Yellow, "port 2222 is shut", "ufw allow 2222/tcp", both(ufw, file("etc/ufw/user.rules", "-A ufw-user-input -p tcp --dport 22222 -j ACCEPT\n"))},
		{"ufw", Yellow, "port 22 is shut", "ufw allow 22/tcp", both(gate, ufw, file("etc/ufw/user.rules", "-A ufw-user-input -p tcp --dport 22 -j DROP\n"))},
		{"firewalld", Yellow, "port 2222 is shut", "--add-port=2222/tcp", firewalld},
		{"firewalld", Yellow, "cannot be seen", "systemctl status", without("systemctl show")},
		{"dns", Yellow, "no resolver", "resolv.conf", file("etc/resolv.conf", "search example.org\n#nameserver 192.0.2.1\n")},
		{"clock", Yellow, "nothing keeps it right", "timesyncd", func(f *fake) { f.kernel.unsynchronized = true }},
		{"clock", Yellow, "nothing keeps it right", "timesyncd", func(f *fake) { f.kernel.clock = errDenied }},
	}
	all = append(all, brokenPolicy(gate)...)
	for _, s := range settings() {
		bad := "0"
		if s.least < 0 {
			bad = "1"
		}
		all = append(all, breakage{s.name, Yellow, bad + ", and should be", "60-forkgate.conf", value(s.name, bad)})
	}
	return all
}

func brokenPolicy(gate func(*fake)) []breakage {
	blocks := func(name string, publish ...string) func(*fake) {
		return func(f *fake) { f.blocks[name] = publish }
	}
	return []breakage{
		{"policy", Red, "does not load", "policy check", func(f *fake) { f.blocks = nil }},
		{"policy", Yellow, "without root", "sudo", func(f *fake) { f.notRoot = true }},
		{"published ports", Red, "shop takes 2222/tcp, where the gate hears", "publish another port", blocks("shop", "2222:8080/tcp")},
		{"published ports", Red, "takes 22/tcp", "publish another port", both(gate, blocks("demo", "22:8080/tcp"))},
		{"published ports", Red, "takes 2222/tcp", "another", both(blocks("demo", "443:1/tcp", "2222:8080/tcp"), file("proc/net/tcp", hears("00000000:01BB", "0A")))},
		{"published ports", Yellow, "demo takes 443/tcp", "ss -lnp 'sport = :443'", file("proc/net/tcp", hears("0A000001:01BB", "0A"))},
		{"published ports", Yellow, "demo takes 443/tcp", "ss -lnp", file("proc/net/tcp6", hears("0000000000000000FFFF00000A00000A:01BB", "0A"))},
		{"published ports", Yellow, "demo takes 2222/udp", "ss -lnp 'sport = :2222'", file("proc/net/udp", hears("00000000:08AE", "07"))},
		{"published ports", Yellow, "does not load", "policy check", func(f *fake) { f.blocks = nil }},
		{"published ports", Yellow, "HOSTPORT", "policy check", blocks("demo", "443")},
		{"repository blocks", Yellow, "there is no repository dmeo, nosuch", "forkgate repo create dmeo", both(blocks("nosuch"), blocks("dmeo"))},
		{"repository blocks", Yellow, "does not say", "start forkgate-warden", without("forkgate repo list --json")},
		{"repository blocks", Yellow, "does not say", "start forkgate-warden", prints("forkgate repo list --json", "what")},
		{"repository blocks", Yellow, "does not load", "policy check", func(f *fake) { f.blocks = nil }},
		{"repository blocks", Yellow, "without root", "sudo", func(f *fake) { f.notRoot = true }},
	}
}

// other is what differs from a healthy host and is well.
type other struct {
	check, found string
	makes        func(*fake)
}

func others() []other {
	hybrid := strings.ReplaceAll(mountinfo, "/sys/fs/cgroup rw", "/sys/fs/cgroup/unified rw")
	for name, kind := range map[string]string{"cpu,cpuacct": "cpu", "memory": "memory", "pids": "pids", "blkio": "io"} {
		hybrid += "40 25 0:30 / /sys/fs/cgroup/" + name + " rw,nosuid - cgroup " + kind + " rw," + name + "\n"
	}
	return append(soundHostKeys(), []other{
		{"kernel", "7.0.0-rc1", value("kernel.osrelease", "7.0.0-rc1")},
		{"user namespaces", "made one", value("kernel.apparmor_restrict_unprivileged_userns", "1")}, // it does not concern root
		{"security modules", "none", remove("sys/kernel/security/lsm")},
		{"module bridge", "loads when", func(*fake) {}},
		{"module veth", "built in", value("kernel.modules_disabled", "1")},
		{"module overlay", "loaded", value("kernel.modules_disabled", "1")},
		{"vm.unprivileged_userfaultfd", "not in this kernel", remove("proc/sys/vm/unprivileged_userfaultfd")},
		{"enabled", "mount", state(mountUnit, "UnitFileState", "generated")},
		{"running", "[::]:2222 192.0.2.7:22", state("forkgate-gate.socket", "Listen", "[::]:2222 (Stream)\nListen=192.0.2.7:22 (Stream)")},
		{"controllers", "version 1 has cpu, memory, pids, io", file("proc/self/mountinfo", hybrid)},
		{"controllers", "forkgate.slice has", file("sys/fs/cgroup/forkgate.slice/cgroup.controllers", "cpu io memory pids")},
		{"net.ipv4.ip_forward", "no pod", value("net.ipv4.ip_forward", "0")},
		{"net.ipv4.ip_forward", "eth0 forwards for pods", both(
			value("net.ipv4.ip_forward", "0"), file(lent, "eth0"), value("net.ipv4.conf.eth0.forwarding", "1"))},
		{"IPv6 of pods", "none has a network", file(lent6, "")},
		{"IPv6 of pods", "on, and the host forwards", both(file(lent6, ""), value("net.ipv6.conf.all.forwarding", "1"))},
		{"IPv6 of pods", "all forwards for pods alone", both(file(lent6, "all"), value("net.ipv6.conf.all.forwarding", "1"))},
		{"IPv6 of pods", "eth0 forwards for pods", both(file(lent6, "eth0"), value("net.ipv6.conf.eth0.force_forwarding", "1"))},
		{"nftables.conf", "no table", file("etc/nftables.conf", "flush ruleset\ntable inet filter {\n")},
		{"host's Docker", "with its chain", both(file("sys/class/net/docker0/mtu", "1500"), prints("nft list chain ip filter DOCKER-USER", ""))},
		{"ufw", "is open", both(file("etc/ufw/ufw.conf", "ENABLED=yes"), file("etc/ufw/user.rules", "-A ufw-user-input -p tcp --dport 2222 -j ACCEPT\n"))},
		{"ufw", "is open", both(file("etc/ufw/ufw.conf", "ENABLED=yes"),
			file("etc/ufw/user.rules", "-A ufw-user-input -p tcp -m multiport --dports 80,2222 -j ACCEPT\n"))},
		{"firewalld", "is open", both(state("firewalld.service", "ActiveState", "active"), prints("firewall-cmd --query-port=2222/tcp", "yes\n"))},
		{"published ports", "0, and nothing", func(f *fake) { f.blocks = map[string][]string{} }},
		{"repository blocks", "none", func(f *fake) { f.blocks = map[string][]string{} }},
		{"rootfs", "docker.io 26.1.5+dfsg1-9+b9 in abababababab", func(*fake) {}},
		{"rootfs", "docker-ce 5:28.0.1-1", func(f *fake) { f.kernel.trees = []Rootfs{{"abcdef", "docker-ce 5:28.0.1-1~debian"}} }},
	}...)
}
