package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func unitChecks() []check {
	return []check{
		{"systemd", "it starts the services and each pod, and limits them", systemdCheck},
		{"d-bus", "who is not root reaches systemd by it", busCheck},
		{"units", "they say how the services and the pods are started, and what they are kept from", unitsCheck},
		{"enabled", "what is not enabled is not there after a reboot", enabledCheck},
		{"running", "without them nobody gets in, and no pod gets out", runningCheck},
		{"user forkgate", "the process that speaks SSH is this user's, and no other's", ownUser("forkgate")},
		{"user forkgate-egress", "the process that lets pods out by name is this user's, and no other's", ownUser("forkgate-egress")},
		{"user rediacc", "sessions have uid 7111 in their pods; on the host nobody else should go by that number", sessionUserCheck},
	}
}

// oldestSystemd is the one of Debian 12.
const oldestSystemd = 252

func systemdCheck(ctx context.Context, h *Host) finding {
	if first, _ := h.read("proc/1/comm"); first != "systemd" {
		return red("boot with systemd", "pid 1 is %q", first)
	}
	text, err := h.Run(ctx, "systemctl", "--version")
	var version int
	if _, failed := fmt.Sscanf(text, "systemd %d", &version); err != nil || failed != nil {
		return red(install("systemd"), "systemctl does not say its version")
	}
	if version < oldestSystemd {
		return yellow("upgrade this system", "systemd %d; forkgate is tried with %d and newer", version, oldestSystemd)
	}
	return green("systemd %d", version)
}

func busCheck(_ context.Context, h *Host) finding {
	if !h.exists("run/dbus/system_bus_socket") {
		return yellow(install("dbus")+" && systemctl start dbus.socket", "no system bus")
	}
	return green("/run/dbus/system_bus_socket")
}

// shipped are the units of make install, and one pod for all.
var shipped = []string{
	"forkgate.target", "forkgate.slice", "forkgate-warden.service", "forkgate-warden.socket", "forkgate-operator.socket",
	"forkgate-gate.service", "forkgate-gate.socket", "forkgate-net.service", "forkgate-net.socket", "forkgate-egress.service", "forkgate-egress.socket",
	"forkgate-down.service", "forkgate-pod@doctor.service",
}

// up are those without which nobody gets in, or out. The gate itself starts with the first connection.
var up = []string{
	"forkgate-warden.service", "forkgate-warden.socket", "forkgate-operator.socket", "forkgate-gate.socket", "forkgate-net.service",
	"forkgate-egress.service", "forkgate-down.service",
}

// unit has some of the properties that systemctl show prints.
type unit map[string]string

// units asks systemd for units; nothing of what it prints is written for people.
func units(ctx context.Context, h *Host, names ...string) (map[string]unit, error) {
	argv := append([]string{"systemctl", "show", "--property=Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,Listen", "--"}, names...)
	text, err := h.Run(ctx, argv...)
	if err != nil {
		return nil, err
	}
	all, u := map[string]unit{}, unit{}
	for line := range strings.Lines(text + "\n\n") {
		if line = strings.TrimSpace(line); line == "" {
			all[u["Id"]], u = u, unit{}
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		u[key] = strings.TrimSpace(u[key] + " " + value) // a socket has a line for each address
	}
	return all, nil
}

func unreachable(err error) finding {
	return red("systemctl status", "systemd does not answer: %v", err)
}

func unitsCheck(ctx context.Context, h *Host) finding {
	all, err := units(ctx, h, shipped...)
	if err != nil {
		return unreachable(err)
	}
	var missing, old []string
	for _, name := range shipped {
		if all[name]["LoadState"] != "loaded" {
			missing = append(missing, name)
		}
		if all[name]["NeedDaemonReload"] == "yes" {
			old = append(old, name)
		}
	}
	switch {
	case len(missing) > 0:
		return red("make install && systemctl daemon-reload", "not loaded: %s", strings.Join(missing, ", "))
	case len(old) > 0:
		return yellow("systemctl daemon-reload", "changed on disk since they were loaded: %s", strings.Join(old, ", "))
	}
	return green("installed")
}

func enabledCheck(ctx context.Context, h *Host) finding {
	all, err := units(ctx, h, "forkgate.target", mountUnit)
	if err != nil {
		return unreachable(err)
	}
	if state := all["forkgate.target"]["UnitFileState"]; state != "enabled" {
		return yellow("systemctl enable forkgate.target", "forkgate.target is not")
	}
	// A pool in /etc/fstab has a unit that is generated.
	if state := all[mountUnit]["UnitFileState"]; state != "enabled" && state != "generated" {
		return yellow("systemctl enable "+mountUnit, "the pool's mount is not")
	}
	return green("forkgate.target and the pool's mount")
}

func runningCheck(ctx context.Context, h *Host) finding {
	all, err := units(ctx, h, append([]string{"forkgate-gate.service", "forkgate-net.socket", "forkgate-egress.socket"}, up...)...)
	if err != nil {
		return unreachable(err)
	}
	var down []string
	failed := ""
	for _, name := range up {
		if all[name]["ActiveState"] != "active" {
			down = append(down, name)
		}
		if failed == "" && strings.HasSuffix(name, ".service") && dies(all[name]) {
			failed = strings.TrimSuffix(name, ".service")
		}
	}
	switch {
	case all["forkgate-gate.service"]["ActiveState"] == "failed":
		return red("journalctl -u forkgate-gate; then systemctl restart forkgate-gate", "forkgate-gate.service has failed")
	case failed != "":
		return red("journalctl -u "+failed+" says why; then systemctl restart "+failed, "down: %s; %s.service is %s", strings.Join(down, ", "), failed, all[failed+".service"]["ActiveState"])
	case len(down) > 0:
		return red("systemctl start forkgate.target", "down: %s", strings.Join(down, ", "))
	}
	if socket, path := unfound(h, all); socket != "" {
		return red("systemctl restart "+socket, "%s listens at %s, which has been removed: nobody reaches it", socket, path)
	}
	return green("the gate hears %s", listens(all["forkgate-gate.socket"]))
}

// unfound is a socket that listens, and whose name in the file system has gone. systemd takes it for well.
func unfound(h *Host, all map[string]unit) (socket, path string) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !strings.HasSuffix(name, ".socket") || all[name]["ActiveState"] != "active" {
			continue
		}
		for _, at := range strings.Fields(all[name]["Listen"]) {
			if inside, ok := strings.CutPrefix(at, "/"); ok && h.gone(inside) {
				return name, at
			}
		}
	}
	return "", ""
}

// dies tells a service that has failed, or is on its way up, where one that fails over and over is found: its own words say which.
func dies(u unit) bool { return u["ActiveState"] == "failed" || u["ActiveState"] == "activating" }

// listens is a socket's addresses, from "0.0.0.0:2222 (Stream) [::]:22 (Stream)".
func listens(socket unit) string { return strings.ReplaceAll(socket["Listen"], " (Stream)", "") }

const sysusers = "systemd-sysusers /usr/lib/sysusers.d/forkgate.conf"

func ownUser(name string) func(context.Context, *Host) finding {
	return func(ctx context.Context, h *Host) finding {
		uid := h.user(ctx, name, 2)
		switch uid {
		case "":
			return red(sysusers, "there is none")
		case "0":
			return red("userdel --force "+name+" && "+sysusers, "it is root")
		}
		return green("uid %s", uid)
	}
}

func sessionUserCheck(ctx context.Context, h *Host) finding {
	switch name := h.user(ctx, "7111", 0); name {
	case "":
		return yellow(sysusers, "no user has uid 7111")
	case "rediacc":
		return green("uid 7111")
	default:
		return yellow("usermod --uid N "+name+", or leave it: pods map their ids", "uid 7111 is %s", name)
	}
}

// user is a field of a user's entry (passwd(5)), from wherever this host has its users; empty where there is none.
func (h *Host) user(ctx context.Context, key string, field int) string {
	entry, err := h.Run(ctx, "getent", "passwd", key)
	if fields := strings.Split(strings.TrimSpace(entry), ":"); err == nil && len(fields) > field {
		return fields[field]
	}
	return ""
}
