package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

func poolChecks() []check {
	return []check{
		{"btrfs-progs", "forkgate pool init makes a btrfs with it", tool(Yellow, "mkfs.btrfs", "btrfs-progs")},
		{"pool", "repositories and forks lie on it; nosuid, nodev and noexec keep what is planted there from being of use to anybody on the " +
			"host, and only its top shows all of it", poolCheck},
		{"pool space", "a pool that is nearly full refuses new forks, then ends old ones; a full one stops production", asRoot(spaceCheck)},
		{"simple quotas", "a fork without a quota can fill the pool for all", asRoot(quotaCheck)},
		{"idmapped mounts", "the pool's files belong to nobody on the host, and each pod sees them through a mount that maps their ids", asRoot(idmapCheck)},
		{"rootfs", "the tools inside sessions and the Docker daemon of pods come from there", asRoot(rootfsCheck)},
	}
}

// tool makes a probe that wants a program; level is how bad it is without.
func tool(level Level, name, packages string) func(context.Context, *Host) finding {
	return func(ctx context.Context, h *Host) finding {
		version, err := h.Run(ctx, name, "--version")
		if err != nil {
			return finding{level, "no " + name, install(packages)}
		}
		first, _, _ := strings.Cut(version, "\n")
		return green("%s", first)
	}
}

const mountUnit = "var-lib-forkgate-pool.mount"

func poolCheck(_ context.Context, h *Host) finding {
	m, found := h.mounted(h.Pool)
	switch {
	case !found && h.exists("etc/systemd/system/"+mountUnit):
		return red("systemctl start "+mountUnit, "%s is not mounted", h.Pool)
	case !found:
		return red("forkgate pool init", "there is none at %s", h.Pool)
	case m.kind != "btrfs":
		return red("umount "+h.Pool+" && forkgate pool init", "%s is a %s", h.Pool, m.kind)
	case m.root != "/":
		return red("systemctl restart "+mountUnit, "%s shows %s of its btrfs, and not all of it", h.Pool, m.root)
	case m.broken: // which btrfs lets nobody remount
		return red("journalctl -k --grep=BTRFS; when the disk is well, systemctl stop forkgate.target "+mountUnit+" and systemctl start "+mountUnit+" forkgate.target",
			"%s is read-only, as after an error of its disk", h.Pool)
	case m.has("ro"):
		return red("mount -o remount,rw "+h.Pool, "%s is mounted read-only", h.Pool)
	}
	var lacks []string
	for _, flag := range []string{"nosuid", "nodev", "noexec"} {
		if !m.has(flag) {
			lacks = append(lacks, flag)
		}
	}
	if len(lacks) > 0 {
		return red("mount -o remount,nosuid,nodev,noexec "+h.Pool, "%s is mounted without %s", h.Pool, strings.Join(lacks, ", "))
	}
	return green("%s on %s, %s", m.source, h.Pool, m.options)
}

// mount is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	root, options, kind, source string
	broken                      bool // the filesystem itself is read-only, however it is mounted
}

func (m mount) has(option string) bool {
	return contains(strings.ReplaceAll(m.options, ",", " "), option)
}

// mounted finds what is mounted at a place: the last mount there covers the others.
func (h *Host) mounted(place string) (m mount, found bool) {
	text, _ := h.read("proc/self/mountinfo")
	for line := range strings.Lines(text) {
		here, there, _ := strings.Cut(line, " - ")
		f, rest := strings.Fields(here), strings.Fields(there)
		if len(f) > 5 && len(rest) > 1 && f[4] == place {
			broken := len(rest) > 2 && strings.HasPrefix(rest[2]+",", "ro,")
			m, found = mount{root: f[3], options: f[5], kind: rest[0], source: rest[1], broken: broken}, true
		}
	}
	return m, found
}

const gib = 1 << 30

func spaceCheck(_ context.Context, h *Host) finding {
	if _, found := h.mounted(h.Pool); !found {
		return yellow("forkgate pool init", "no pool")
	}
	room, err := h.Kernel.Room(h.Pool)
	if err != nil {
		return red("forkgate pool status", "%v", err)
	}
	const more = "forkgate forks, and forkgate rm REF for those that nobody needs; or give the pool a larger disk"
	text := fmt.Sprintf("%.1f GiB free, %.1f are kept in reserve", float64(room.Free)/gib, float64(room.Reserve)/gib)
	switch {
	case room.Free < room.Reserve:
		return red(more, "%s", text)
	case room.Free < 2*room.Reserve:
		return yellow(more, "%s", text)
	}
	return green("%s", text)
}

func quotaCheck(_ context.Context, h *Host) finding {
	if h.exists("sys/fs/btrfs/features") && !h.exists("sys/fs/btrfs/features/simple_quota") {
		return red(h.newKernel(), "this kernel has none")
	}
	if _, found := h.mounted(h.Pool); !found {
		return yellow("forkgate pool init", "no pool to look at")
	}
	uuid, err := h.Kernel.Btrfs(h.Pool)
	if err != nil {
		return red("forkgate pool status", "%v", err)
	}
	switch mode, ok := h.read("sys/fs/btrfs/" + uuid + "/qgroups/mode"); {
	case !ok:
		return yellow("systemctl restart forkgate-warden", "not switched on in this pool")
	case mode != "squota":
		return red("btrfs quota disable "+h.Pool+" && systemctl restart forkgate-warden", "the pool has quotas of another kind: %s", mode)
	}
	return green("on")
}

func idmapCheck(_ context.Context, h *Host) finding {
	if _, found := h.mounted(h.Pool); !found {
		return yellow("forkgate pool init", "no pool to try it on")
	}
	err := h.Kernel.IDMap(h.Pool)
	if errors.Is(err, fs.ErrNotExist) {
		return red("forkgate pool init", "%v", err)
	}
	if err != nil {
		return red(h.newKernel(), "%v", err)
	}
	return green("made one of the pool")
}
