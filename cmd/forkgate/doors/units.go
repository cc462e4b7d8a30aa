package doors

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

func unitWays() []way {
	return []way{
		{name: "debug shell", why: "systemd's debug shell is root's, on a console, and asks for nothing", probe: debugProbe, shut: closeDebug},
		{name: "boot", why: "what is on the kernel's command line can make a shell of root's before anything else runs", probe: bootProbe},
	}
}

// unit has some of the properties that systemctl show prints.
type unit map[string]string

const properties = "--property=Id,LoadState,ActiveState,UnitFileState,ExecStart,Listen,Environment,Transient,TriggeredBy"

// units asks systemd for units. Patterns are of those that are loaded.
func (h *Host) units(ctx context.Context, names ...string) ([]unit, error) {
	text, err := h.Run(ctx, append([]string{"systemctl", "show", properties, "--"}, names...)...)
	if err != nil {
		return nil, err
	}
	var all []unit
	u := unit{}
	for line := range strings.Lines(text + "\n\n") {
		if line = strings.TrimSpace(line); line == "" {
			if len(u) > 0 {
				all = append(all, u)
			}
			u = unit{}
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		u[key] = strings.TrimSpace(u[key] + " " + value) // a socket has a line for each address
	}
	return all, nil
}

const debugShell = "debug-shell.service"

func debugProbe(ctx context.Context, h *Host) finding {
	all, err := h.units(ctx, debugShell)
	if err != nil || len(all) != 1 {
		return open("systemctl status", "systemd does not answer: %v", err)
	}
	u := all[0]
	if u["ActiveState"] == "active" || u["ActiveState"] == "activating" || strings.HasPrefix(u["UnitFileState"], "enabled") {
		if h.exists(strings.TrimPrefix(shutUnit(debugShell), "/")) == "" || u["ActiveState"] == "active" {
			return open("", "%s is %s, and %s", debugShell, u["UnitFileState"], u["ActiveState"])
		}
	}
	return closed("it is not started")
}

func closeDebug(ctx context.Context, h *Host) ([]step, error) { return h.stop(ctx, debugShell) }

// shutUnit is the drop-in by which a unit starts no more.
func shutUnit(name string) string { return "/etc/systemd/system/" + name + ".d/zz-forkgate-doors.conf" }

// stop has a unit end, and what has systemd start it again, and neither start. What is transient is gone then.
func (h *Host) stop(ctx context.Context, name string) ([]step, error) {
	all, err := h.units(ctx, name)
	if err != nil || len(all) != 1 {
		return nil, fmt.Errorf("cannot ask systemd for %s: %w", name, err)
	}
	steps := shutSteps(name, all[0])
	// A socket is started again before what it starts, as it would not be after that: taken back is from the end.
	for _, socket := range strings.Fields(all[0]["TriggeredBy"]) {
		if !strings.HasSuffix(socket, ".socket") {
			continue
		}
		all, err := h.units(ctx, socket)
		if err != nil || len(all) != 1 {
			return nil, fmt.Errorf("cannot ask systemd for %s: %w", socket, err)
		}
		steps = append(steps, shutSteps(socket, all[0])...)
	}
	return steps, nil
}

// shutSteps are those that end a unit, which starts no more.
func shutSteps(name string, u unit) (steps []step) {
	if u["ActiveState"] == "active" && u["Transient"] != "yes" {
		steps = append(steps, step{undo: []string{"systemctl", "start", "--no-block", name}})
	}
	return append(steps, step{undo: []string{"systemctl", "daemon-reload"}},
		step{path: shutUnit(name), text: "# " + mark + "\n[Unit]\nConditionPathExists=/nonexistent/closed-by-forkgate-doors\n", mode: 0o644},
		step{do: []string{"systemctl", "daemon-reload"}}, step{do: []string{"systemctl", "stop", name}})
}

// bootProbe looks at this boot. What the boot loader lets be typed who stands before the machine shows nowhere.
func bootProbe(ctx context.Context, h *Host) finding {
	text, ok, err := h.read("proc/cmdline")
	if !ok {
		return open("look at it", "cannot read /proc/cmdline: %v", err)
	}
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		switch {
		case strings.HasPrefix(key, "systemd.debug") && strings.Contains(key, "shell") && value != "0" && value != "no",
			key == "rd.break", key == "single", key == "S", key == "1", key == "emergency", key == "rescue", key == "systemd.sulogin_force", key == "SYSTEMD_SULOGIN_FORCE",
			key == "init" && slices.Contains([]string{"sh", "bash", "dash", "busybox"}, path.Base(value)), key == "systemd.unit" && (strings.HasPrefix(value, "rescue") || strings.HasPrefix(value, "emergency")):
			return open("take it from the boot loader's configuration, and boot", "the kernel was started with %s", word)
		}
	}
	units, err := h.units(ctx, "emergency.service", "rescue.service")
	if err != nil {
		return open("systemctl status", "systemd does not answer: %v", err)
	}
	for _, u := range units { // with it sulogin asks for no password where root has none (systemd's ENVIRONMENT.md)
		for _, word := range strings.Fields(u["Environment"]) {
			if key, value, _ := strings.Cut(word, "="); key == "SYSTEMD_SULOGIN_FORCE" && value != "0" && value != "no" {
				return open("systemctl edit "+u["Id"]+", and take it out there", "%s has %s", u["Id"], word)
			}
		}
	}
	return closed("nothing of the kind")
}
