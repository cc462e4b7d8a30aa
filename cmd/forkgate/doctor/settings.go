package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// setting is a kernel setting that is a number (sysctl.d(5), Linux Documentation/admin-guide/sysctl). All of these are yellow where
// they are not as wanted: they are walls behind forkgate's own, or limits that it meets later.
type setting struct {
	name      string
	least     int    // what it has to be at least
	advice    int    // what to set it to
	otherwise string // what it means that the kernel does not have it; empty if that is well
	why       string
}

func settings() []setting {
	return []setting{
		{"kernel.yama.ptrace_scope", 1, 1, "this kernel has no Yama",
			"where it is 0, a program reads the memory of every other one of its user"},
		{"kernel.kptr_restrict", 1, 1, "", "addresses in the kernel make its bugs easier to use, from a pod as well"},
		{"kernel.dmesg_restrict", 1, 1, "", "the kernel's log has addresses, and other forks' mishaps"},
		{"kernel.unprivileged_bpf_disabled", 1, 2, "", "programs in the kernel are no matter of users; sessions are kept from them as well"},
		{"kernel.io_uring_disabled", 1, 1, "", "pods are kept from it by their filter; where other users need it as little, one way into the kernel less"},
		{"vm.unprivileged_userfaultfd", -1, 0, "", "it holds the kernel up at a place of one's choice, which many of its bugs need"},
		{"dev.tty.legacy_tiocsti", -1, 0, "", "a program types into the terminal that it was started on; sessions are kept from it as well"},
		{"fs.protected_symlinks", 1, 1, "this kernel is very old", "others' links in /tmp lead root astray"},
		{"fs.protected_hardlinks", 1, 1, "this kernel is very old", "users make links to files that they cannot read, for root to trip over"},
		{"fs.protected_fifos", 1, 1, "this kernel is very old", "others' pipes in /tmp get what was meant for a file"},
		{"fs.protected_regular", 1, 2, "this kernel is very old", "others' files in /tmp get what was meant for a new one"},
		{"user.max_user_namespaces", 1000, 15000, "this kernel has no user namespaces", "each pod takes two, and containers take more"},
		{"kernel.keys.maxkeys", 200, 2000, "", "each session and each container of a pod takes a keyring, and all of a pod's users have this many each"},
		{"fs.inotify.max_user_instances", 1024, 8192, "this kernel has no inotify",
			"programs that wait for files to change take one each, and all in a fork share this many"},
		{"fs.inotify.max_user_watches", 65536, 524288, "this kernel has no inotify", "editors and builds take one for each directory, and all in a fork share this many"},
		{"kernel.pid_max", 131072, 4194304, "", "pods share the host's numbers with it: when they run out, nothing starts any more"},
		{"net.ipv4.neigh.default.gc_thresh3", 65536, 262144, "",
			"neighbours of the host and of all pods are in one table; when a fork has filled it, the host reaches no new one"},
		{"net.ipv6.neigh.default.gc_thresh3", 65536, 262144, "", "neighbours by IPv6 of the host and of all pods are in one table"},
		{"net.netfilter.nf_conntrack_max", 65536, 262144, "", "all pods' connections are in one table with the host's; when it is full, new ones are dropped"},
	}
}

func settingChecks() []check {
	var all []check
	for _, s := range settings() {
		all = append(all, check{s.name, s.why, s.probe})
	}
	return append(all,
		check{"user.max_net_namespaces", "each pod may have so many, and each has tables in the kernel that count for nobody", namespacesCheck},
		check{"kernel.core_pattern", "what crashes is handed to a program of the host's root; only a limit, which their filter of system calls holds, keeps pods from that",
			coreCheck})
}

func (s setting) probe(_ context.Context, h *Host) finding {
	text, there := h.sysctl(s.name)
	if !there {
		if s.otherwise == "" {
			return green("not in this kernel")
		}
		return yellow("boot a kernel that has it", "%s", s.otherwise)
	}
	value, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return yellow(set(s.name, strconv.Itoa(s.advice)), "%q is no number", text)
	case s.least >= 0 && value < s.least:
		return yellow(set(s.name, strconv.Itoa(s.advice)), "%d, and should be %d or more", value, s.least)
	case s.least < 0 && value != s.advice:
		return yellow(set(s.name, strconv.Itoa(s.advice)), "%d, and should be %d", value, s.advice)
	}
	return green("%d", value)
}

// set is how a setting is changed for now and for good.
func set(name, value string) string {
	return fmt.Sprintf("echo '%s = %s' >>/etc/sysctl.d/60-forkgate.conf && sysctl --system", name, value)
}

// mostNamespaces is what packaging/sysctl.conf sets, with the reason.
const mostNamespaces = 1024

func namespacesCheck(_ context.Context, h *Host) finding {
	text, _ := h.sysctl("user.max_net_namespaces")
	value, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return yellow("boot a kernel that has it", "this kernel has no network namespaces")
	case value > mostNamespaces:
		return yellow(set("user.max_net_namespaces", strconv.Itoa(mostNamespaces)), "%d, and should be %d", value, mostNamespaces)
	case value < mostNamespaces/8:
		return yellow(set("user.max_net_namespaces", strconv.Itoa(mostNamespaces)), "%d, and Docker takes one for each container of a pod", value)
	}
	return green("%d", value)
}

func coreCheck(_ context.Context, h *Host) finding {
	pattern, _ := h.sysctl("kernel.core_pattern")
	switch {
	case strings.HasPrefix(pattern, "|") && strings.Contains(pattern, "apport"):
		return yellow("systemctl disable --now apport && "+set("kernel.core_pattern", "core"), "%s", pattern)
	case strings.HasPrefix(pattern, "|"):
		return yellow(set("kernel.core_pattern", "core"), "%s", pattern)
	}
	return green("%s", pattern)
}
