package doctor

import (
	"context"
	"fmt"
	"strings"
)

func kernelChecks() []check {
	return []check{
		{"root", "without root, much of the host cannot be seen", rootCheck},
		{"kernel", "forks are limited by btrfs's simple quotas, which Linux has from 6.7 on", kernelCheck},
		{"user namespaces", "each pod has two, so that its root is nobody on the host", asRoot(namespaceCheck)},
		{"seccomp", "what a pod's filter denies, no program in it can ask of the kernel, docker run --privileged included", seccompCheck},
		{"landlock", "from version 6 on it parts the sessions of one pod: their abstract sockets and their signals", landlockCheck},
		{"security modules", "forkgate is tried beside AppArmor; SELinux may deny what pods are made of", modulesOfSecurityCheck},
	}
}

func rootCheck(_ context.Context, h *Host) finding {
	if !h.Root {
		return yellow("sudo forkgate doctor", "not root: rows that say so could not be seen")
	}
	return green("yes")
}

// newEnough is the first kernel with simple quotas.
var newEnough = [2]int{6, 7}

func kernelCheck(_ context.Context, h *Host) finding {
	release, _ := h.read("proc/sys/kernel/osrelease")
	var have [2]int
	if n, _ := fmt.Sscanf(release, "%d.%d", &have[0], &have[1]); n < 2 {
		return red("uname -r", "%q is no release of Linux", release)
	}
	if have[0] < newEnough[0] || have[0] == newEnough[0] && have[1] < newEnough[1] {
		return red(h.newKernel(), "%s, older than %d.%d", release, newEnough[0], newEnough[1])
	}
	return green("%s", release)
}

// newKernel is how a newer kernel is had.
func (h *Host) newKernel() string {
	switch id, version := h.release(); {
	case id == "debian" && version == "12":
		return "echo 'deb http://deb.debian.org/debian bookworm-backports main' >/etc/apt/sources.list.d/backports.list && " +
			"apt-get update && apt-get install -t bookworm-backports linux-image-amd64 && reboot"
	case id == "ubuntu":
		return install("linux-generic-hwe-"+version) + " && reboot"
	}
	return fmt.Sprintf("boot Linux %d.%d or newer", newEnough[0], newEnough[1])
}

func namespaceCheck(_ context.Context, h *Host) finding {
	const setting = "user.max_user_namespaces"
	limit, _ := h.sysctl(setting)
	err := h.Kernel.UserNamespace()
	switch restricted, _ := h.sysctl("kernel.apparmor_restrict_unprivileged_userns"); {
	case err != nil && limit == "0":
		return red(set(setting, "15000"), "%s is 0", setting)
	case err != nil && restricted == "1":
		return red(set("kernel.apparmor_restrict_unprivileged_userns", "0"), "AppArmor denies them to root: %v", err)
	case err != nil:
		return red("boot a kernel with CONFIG_USER_NS=y", "cannot be made: %v", err)
	}
	return green("made one")
}

func seccompCheck(_ context.Context, h *Host) finding {
	actions, ok := h.sysctl("kernel.seccomp.actions_avail")
	if !ok || !contains(actions, "errno") {
		return red("boot a kernel with CONFIG_SECCOMP_FILTER=y", "no filters")
	}
	return green("%s", actions)
}

// scopes is the version of Landlock that has scopes (Linux 6.12).
const scopes = 6

func landlockCheck(_ context.Context, h *Host) finding {
	switch abi := h.Kernel.Landlock(); {
	case abi == 0:
		return yellow("boot Linux 6.12 or newer, with landlock in its parameter lsm=", "none")
	case abi < scopes:
		return yellow("boot Linux 6.12 or newer", "version %d", abi)
	default:
		return green("version %d", abi)
	}
}

func modulesOfSecurityCheck(_ context.Context, h *Host) finding {
	if mode, _ := h.read("sys/fs/selinux/enforce"); mode == "1" {
		return yellow("setenforce 0, and see whether what fails works then", "SELinux is enforcing")
	}
	list, ok := h.read("sys/kernel/security/lsm")
	if !ok {
		return green("none to be seen")
	}
	return green("%s", list)
}

// contains looks for a word in a list with blanks.
func contains(list, word string) bool { return strings.Contains(" "+list+" ", " "+word+" ") }
