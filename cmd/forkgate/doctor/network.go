package doctor

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

func networkChecks() []check {
	return []check{
		{"nft", "forkgate-net changes the rules of pods' networks with it", tool(Red, "nft", "nftables")},
		{"net.ipv4.ip_forward", "pods reach what their policy opens only where the host forwards; where it does not, forkgate has its uplinks forward for pods alone", forwardCheck},
		{"IPv6 of pods", "where forkgate-net has a --range6, pods reach by IPv6 what their policy opens; forkgate has as little forward for that as the kernel lets it", forward6Check},
		{"net.ipv4.conf.*.rp_filter", "pods' links have it; on the others it drops what claims to come from where it cannot", reverseCheck},
		{"nftables.conf", "forkgate-net makes its own tables, of which nobody else may load one; a file with them does not load at all", tablesCheck},
		{"host's Docker", "it drops what is forwarded, but for what its chain DOCKER-USER accepts", asRoot(dockerCheck)},
		{"ufw", "it drops what comes in, the gate's port as well", asRoot(ufwCheck)},
		{"firewalld", "it drops what comes in, the gate's port as well", asRoot(firewalldCheck)},
		{"dns", "forkgate rootfs build fetches packages", dnsCheck},
		{"clock", "the audit log says when what happened", clockCheck},
	}
}

// lent is where forkgate-net writes down the interfaces that forward for pods.
const lent = "run/forkgate/net/lent"

func forwardCheck(_ context.Context, h *Host) finding {
	if value, _ := h.sysctl("net.ipv4.ip_forward"); value == "1" {
		return green("1")
	}
	names, _ := h.read(lent)
	if names == "" {
		return green("0, and no pod has a network")
	}
	return forwardsForPods(h, "0", strings.Fields(names), "ipv4/conf/%s/forwarding")
}

// forwardsForPods looks whether the interfaces that were to forward do, by the setting of each.
func forwardsForPods(h *Host, state string, names []string, setting string) finding {
	for _, name := range names {
		if on, _ := h.read("proc/sys/net/" + fmt.Sprintf(setting, name)); on != "1" {
			return yellow("systemctl restart forkgate-net", "%s, and %s does not forward for pods: somebody switched it off", state, name)
		}
	}
	return green("%s, and %s forwards for pods", state, strings.Join(names, ", "))
}

// lent6 is the same of IPv6, and is there where pods have it.
const lent6 = lent + "6"

func forward6Check(_ context.Context, h *Host) finding {
	names, configured := h.read(lent6)
	if !configured {
		return green("off: forkgate-net has no --range6")
	}
	if value, _ := h.sysctl("net.ipv6.conf.all.forwarding"); value == "1" {
		if strings.TrimSpace(names) == "all" {
			return green("on, and all forwards for pods alone: kernels before 6.17 know no single interfaces")
		}
		return green("on, and the host forwards")
	}
	if names == "" {
		return green("on, and nothing forwards for pods: none has a network, or the host has no default route by IPv6")
	}
	return forwardsForPods(h, "on", strings.Fields(names), "ipv6/conf/%s/force_forwarding")
}

// The kernel goes by the larger one of "all" and the interface's own, which starts as "default" (Documentation/networking/ip-sysctl.rst).
func reverseCheck(_ context.Context, h *Host) finding {
	all, _ := h.sysctl("net.ipv4.conf.all.rp_filter")
	first, _ := h.sysctl("net.ipv4.conf.default.rp_filter")
	if all != "1" && all != "2" && first != "1" && first != "2" {
		return yellow(set("net.ipv4.conf.default.rp_filter", "2"), "all %s, default %s", all, first)
	}
	return green("all %s, default %s", all, first)
}

// saved is where Debian's nftables.service has the host's own tables.
const saved = "etc/nftables.conf"

func tablesCheck(_ context.Context, h *Host) finding {
	if text, _ := h.read(saved); regexp.MustCompile(`(?m)^table inet forkgate`).MatchString(text) {
		return yellow("take the tables forkgate and forkgate_fence out of /"+saved, "it has tables of forkgate's: somebody saved what was loaded")
	}
	return green("it has no table of forkgate's")
}

func dockerCheck(ctx context.Context, h *Host) finding {
	if !h.exists("sys/class/net/docker0") {
		return green("none")
	}
	if _, err := h.Run(ctx, "nft", "list", "chain", "ip", "filter", "DOCKER-USER"); err != nil {
		return yellow("systemctl restart docker", "it is here, and no chain DOCKER-USER")
	}
	return green("it is here, with its chain DOCKER-USER")
}

func ufwCheck(ctx context.Context, h *Host) finding {
	if config, _ := h.read("etc/ufw/ufw.conf"); !regexp.MustCompile(`(?m)^ENABLED=yes`).MatchString(config) {
		return green("off")
	}
	rules, _ := h.read("etc/ufw/user.rules")
	for _, port := range ports(ctx, h) {
		if !regexp.MustCompile(`(?m)^-A ufw-user-input .*--dports? (\S+,)?` + port + `\b.* -j (ACCEPT|ufw-user-limit)`).MatchString(rules) {
			return yellow("ufw allow "+port+"/tcp", "on, and port %s is shut", port)
		}
	}
	return green("on, and the gate's port is open")
}

func firewalldCheck(ctx context.Context, h *Host) finding {
	all, err := units(ctx, h, "firewalld.service")
	if err != nil {
		return yellow("systemctl status", "cannot be seen: systemd does not answer")
	}
	if all["firewalld.service"]["ActiveState"] != "active" {
		return green("off")
	}
	for _, port := range ports(ctx, h) {
		if _, err := h.Run(ctx, "firewall-cmd", "--query-port="+port+"/tcp"); err != nil {
			return yellow("firewall-cmd --permanent --add-port="+port+"/tcp && firewall-cmd --reload", "on, and port %s is shut", port)
		}
	}
	return green("on, and the gate's port is open")
}

// ports are those that the gate hears, the shipped one where systemd does not say.
func ports(ctx context.Context, h *Host) (list []string) {
	all, _ := units(ctx, h, "forkgate-gate.socket")
	for _, address := range strings.Fields(listens(all["forkgate-gate.socket"])) {
		if i := strings.LastIndex(address, ":"); i >= 0 {
			list = append(list, address[i+1:])
		}
	}
	if len(list) == 0 {
		list = []string{"2222"}
	}
	return list
}

func dnsCheck(_ context.Context, h *Host) finding {
	text, _ := h.read("etc/resolv.conf")
	var servers []string
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
			servers = append(servers, f[1])
		}
	}
	if len(servers) == 0 {
		return yellow("echo 'nameserver ADDRESS' >>/etc/resolv.conf", "no resolver in /etc/resolv.conf")
	}
	return green("%s", strings.Join(servers, ", "))
}

func clockCheck(_ context.Context, h *Host) finding {
	in, err := h.Kernel.Synchronized()
	if err != nil || !in {
		return yellow(install("systemd-timesyncd")+" && timedatectl set-ntp true", "nothing keeps it right, as far as the kernel knows")
	}
	return green("kept right")
}
