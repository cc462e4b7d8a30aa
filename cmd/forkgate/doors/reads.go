package doors

import (
	"cmp"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// rootsFiles are files that root's programs, sshd or PAM read, or run; of cron's its row tells.
var rootsFiles = []string{
	"etc", "etc/passwd", "etc/shadow", "etc/group", "etc/gshadow", "etc/sudoers", "etc/ld.so.preload", "etc/ld.so.conf", "etc/ld.so.cache", "etc/nsswitch.conf", "etc/environment",
	"etc/profile", "etc/bash.bashrc", "etc/login.defs", "etc/rc.local", "etc/default", "etc/default/ssh", "etc/default/locale", "usr/bin/forkgate",
	"root", "root/.bashrc", "root/.bash_profile", "root/.bash_login", "root/.bash_logout", "root/.profile", "root/.zshrc", "root/.zshenv", "root/.vimrc", "root/.ssh",
	"root/.ssh/authorized_keys", "root/.ssh/rc", "root/.ssh/environment", "root/.pam_environment",
}

// rootsDirs are directories all of whose files they do.
var rootsDirs = []string{
	"etc/sudoers.d", "etc/ssh", "etc/ssh/sshd_config.d", "etc/pam.d", "etc/security", "etc/systemd", "etc/systemd/system", "etc/systemd/system-generators", "etc/systemd/system-environment-generators",
	"run/systemd/system", "usr/local/lib/systemd/system", "etc/profile.d", "etc/ld.so.conf.d", "etc/update-motd.d", "etc/init.d", "etc/logrotate.d",
	"etc/apt", "etc/apt/apt.conf.d", "etc/dpkg/dpkg.cfg.d", "etc/udev/rules.d", "etc/modprobe.d", "etc/modules-load.d", "etc/binfmt.d",
	"etc/sysctl.d", "etc/tmpfiles.d", "etc/dbus-1/system.d", "etc/kernel/postinst.d", "etc/initramfs-tools/hooks", "etc/network/if-up.d", "etc/NetworkManager/dispatcher.d",
	"etc/dhcp/dhclient-exit-hooks.d", "usr/lib/forkgate", "usr/local/bin", "usr/local/sbin", "usr/local/lib",
}

// glob names what matches patterns that are well formed.
func (h *Host) glob(patterns ...string) (names []string) {
	for _, pattern := range patterns {
		found, _ := fs.Glob(h.Files, pattern)
		names = append(names, found...)
	}
	return names
}

// ownUnits are files of units that are this host's own and no package's, and what D-Bus starts as root.
func (h *Host) ownUnits() (units []string) {
	for _, dir := range []string{"etc/systemd/system/", "run/systemd/system/", "usr/local/lib/systemd/system/"} {
		for _, kind := range []string{"service", "socket"} {
			units = append(units, h.glob(dir+"*."+kind, dir+"*."+kind+".d/*.conf", dir+kind+".d/*.conf")...)
		}
	}
	return append(units, h.glob("etc/dbus-1/system-services/*.service", "usr/local/share/dbus-1/system-services/*.service", "usr/share/dbus-1/system-services/*.service")...)
}

// reads are files that root's programs read because another file names them, by that: modules of PAM's and what these are told, what sshd's configuration includes,
// environments of units, and where libraries are looked for. What is not there yet somebody may put there.
func (h *Host) reads() (map[string]string, error) {
	all := map[string]string{}
	note := func(file, text string, names func(line string) []string) {
		for _, line := range lines(text) {
			for _, name := range names(line) {
				if name = strings.Trim(name, `"'`); path.IsAbs(name) {
					all[fixed(cmp.Or(path.Clean(name)[1:], "."))] = file
				}
			}
		}
	}
	if h.sshdThere() {
		text, err := h.sshdText(sshdConfig, 0)
		if err != nil {
			return nil, err
		}
		note(sshdConfig, text, includes)
	}
	for _, file := range append(h.glob("etc/pam.d/*", "etc/ld.so.conf.d/*.conf"), "etc/ld.so.conf") {
		text, _, err := h.read(file)
		if err != nil {
			return nil, err
		}
		note(file, text, strings.Fields)
	}
	for _, file := range h.ownUnits() {
		text, _, err := h.read(file)
		if err != nil {
			return nil, err
		}
		if whole, err := h.unitText(file); err != nil {
			return nil, err
		} else if ofRoot(whole) {
			note(file, text, environmentFile)
		}
	}
	return all, nil
}

// includes are the patterns that a line of sshd's configuration includes, which are relative to /etc/ssh (sshd_config(5)).
func includes(line string) (patterns []string) {
	key, rest := keyword(line)
	if key != "include" {
		return nil
	}
	for _, pattern := range rest {
		if pattern = strings.Trim(pattern, `"`); !path.IsAbs(pattern) {
			pattern = path.Join("/etc/ssh", pattern)
		}
		patterns = append(patterns, pattern)
	}
	return patterns
}

// unitText is what a file of a unit says with the unit's other files beside it, drop-ins among them.
func (h *Host) unitText(file string) (whole string, err error) {
	if dir := path.Dir(file); strings.HasSuffix(dir, ".d") {
		file = strings.TrimSuffix(dir, ".d")
	}
	for _, part := range append(h.glob(file+".d/*.conf"), file) {
		text, _, err := h.read(part)
		if err != nil {
			return "", err
		}
		whole += text + "\n"
	}
	return whole, nil
}

// ofRoot reports whether a unit has root run something, and be it beside what it has somebody else run.
func ofRoot(text string) bool {
	all := lines(text)
	return !slices.ContainsFunc(all, asSomebody) || slices.ContainsFunc(all, func(line string) bool { return unitCommand(text, line) != "" })
}

// fixed is what of a pattern is none: the directory above its first wildcard.
func fixed(pattern string) string {
	if i := strings.IndexAny(pattern, "*?["); i >= 0 {
		return path.Dir(pattern[:i] + "x")
	}
	return pattern
}

// environmentFile is the one that a line of a unit has read: it may say LD_PRELOAD (systemd.exec(5)).
func environmentFile(line string) []string {
	key, value, _ := strings.Cut(line, "=")
	if strings.TrimSpace(key) != "EnvironmentFile" {
		return nil
	}
	return []string{strings.TrimPrefix(strings.TrimSpace(value), "-")}
}

// looseRead are those of them that somebody beside root can write, or put another one in the place of, and by what.
func (h *Host) looseRead() (found []string, by string, err error) {
	all, err := h.reads()
	if err != nil {
		return nil, "", err
	}
	return h.looseNamed(all, "root's programs read")
}

// withMedia are the numbers of drives whose media come and go, and hold nothing of this host: floppies and CD-ROMs (Documentation/admin-guide/devices.txt).
var withMedia = []uint32{2, 11}

// looseDisks are disks that somebody can read or write who is in no group of which row groups tells.
func (h *Host) looseDisks() (found []string, err error) {
	for _, name := range h.glob("dev/*", "dev/mapper/*") {
		info, err := fs.Lstat(h.Files, name)
		if err != nil || info.Mode()&(fs.ModeDevice|fs.ModeCharDevice) != fs.ModeDevice || slices.Contains(withMedia, major(info)) {
			continue
		}
		uid, gid := owner(info)
		others, err := h.others(name)
		if err != nil {
			return nil, err
		}
		grouped := info.Mode()&0o060 != 0 && gid != 0 && !slices.Contains(mighty, h.group(gid)) && h.peopled(gid)
		if uid != 0 || info.Mode()&0o006 != 0 || grouped || others != "" {
			found = append(found, "/"+name)
		}
	}
	return found, nil
}

func major(info fs.FileInfo) uint32 {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return unix.Major(uint64(s.Rdev))
}
