package doctor

import (
	"context"
	"strings"
)

func cgroupChecks() []check {
	return []check{
		{"cgroups", "a fork's limits, and those of docker run in it, are cgroups of version 2; elsewhere docker run -m and --cpus do nothing in forks", cgroupCheck},
		{"controllers", "a limit whose controller is missing does not hold", controllerCheck},
	}
}

const (
	cgroupRoot = "/sys/fs/cgroup"
	unified    = `sed -i 's/^GRUB_CMDLINE_LINUX="/&systemd.unified_cgroup_hierarchy=1 /' /etc/default/grub && update-grub && reboot`
)

func cgroupCheck(_ context.Context, h *Host) finding {
	switch layout(h) {
	case "pure":
		return green("version 2")
	case "hybrid":
		return yellow(unified, "hybrid: version 2 without controllers, beside version 1")
	}
	return red(unified, "no version 2")
}

// layout tells the three that systemd knows apart (https://systemd.io/CGROUP_DELEGATION).
func layout(h *Host) string {
	if m, _ := h.mounted(cgroupRoot); m.kind == "cgroup2" {
		return "pure"
	}
	if m, _ := h.mounted(cgroupRoot + "/unified"); m.kind == "cgroup2" {
		return "hybrid"
	}
	return "v1"
}

// wanted are the controllers of the limits that forks have.
var wanted = []string{"cpu", "memory", "pids", "io"}

func controllerCheck(_ context.Context, h *Host) finding {
	has, whose := controllers(h)
	var missing []string
	for _, c := range wanted {
		if !contains(has, c) {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		return yellow("see cgroup_disable in /proc/cmdline, and boot without it", "%s lacks %s", whose, strings.Join(missing, ", "))
	}
	return green("%s has %s", whose, strings.Join(wanted, ", "))
}

// controllers are those of forkgate's slice, or those that it will get: it is there while a pod is.
func controllers(h *Host) (list, whose string) {
	if layout(h) != "pure" {
		for _, c := range wanted {
			// Version 1 calls io blkio, and mounts each where it likes: systemd, at its name.
			if m, found := h.mounted(cgroupRoot + "/" + strings.Replace(c, "io", "blkio", 1)); found && m.kind == "cgroup" || h.together(c) {
				list += " " + c
			}
		}
		return strings.TrimSpace(list), "version 1"
	}
	if list, ok := h.read("sys/fs/cgroup/forkgate.slice/cgroup.controllers"); ok {
		return list, "forkgate.slice"
	}
	list, _ = h.read("sys/fs/cgroup/cgroup.controllers")
	return list, "the host"
}

// together is for cpu, which systemd mounts together with cpuacct.
func (h *Host) together(controller string) bool {
	_, found := h.mounted(cgroupRoot + "/" + controller + "," + controller + "acct")
	return found
}
