package doors

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// rootly are capabilities that amount to root (capabilities(7)).
var rootly = []string{
	"cap_setuid", "cap_setgid", "cap_setfcap", "cap_setpcap", "cap_dac_override", "cap_dac_read_search", "cap_chown", "cap_fowner", "cap_fsetid", "cap_mknod",
	"cap_sys_admin", "cap_sys_module", "cap_sys_rawio", "cap_sys_ptrace", "cap_sys_chroot", "cap_bpf", "cap_perfmon",
}

// trusted have some of those on hosts that are as they should be, where a package has brought them.
var trusted = []string{"newuidmap", "newgidmap", "snap-confine", "fusermount3"}

// installed is where programs are put. Elsewhere there are none but those that root has made by hand: getcap reads an attribute of each file, and takes minutes
// for a host's data.
var installed = []string{"usr", "opt", "srv"}

// capabilitiesProbe asks getcap(8). They are for the operator to take away: to give them back, as --undo would, may give them to another file by then.
func capabilitiesProbe(ctx context.Context, h *Host) finding {
	if h.exists("usr/sbin/getcap", "sbin/getcap", "usr/bin/getcap") == "" {
		return open("apt-get install libcap2-bin, and look again", "there is no getcap to see them by")
	}
	text, err := h.Run(ctx, append([]string{"getcap", "-r"}, h.below(installed)...)...)
	var found, names []string
	for line := range strings.Lines(text) {
		// A name may have spaces, and an equals sign before the capabilities in old versions.
		name, caps := strings.TrimRight(line, "\n"), ""
		if i := strings.LastIndex(name, " "); i > 0 {
			name, caps = strings.TrimSuffix(name[:i], " ="), name[i+1:]
		}
		if isRootly(caps) && h.reachable(name) {
			names = append(names, strings.TrimPrefix(name, "/"))
		}
	}
	owned := h.ofPackages(ctx, names)
	for _, name := range names {
		if !owned[name] || !slices.Contains(trusted, path.Base(name)) {
			found = append(found, "/"+name)
		}
	}
	switch {
	case len(found) > 0:
		return open("setcap -r "+found[0], "%s", some(found))
	case err != nil:
		return open("getcap -r /; and --except capabilities where nothing is wrong with what that finds", "%v", err)
	}
	return closed("none but the system's own, in %s", strings.Join(h.below(installed), ", "))
}

// reachable reports whether somebody beside root may enter all directories of a file: images of containers lie where nobody does.
func (h *Host) reachable(name string) bool {
	for dir := path.Dir(strings.TrimPrefix(name, "/")); dir != "." && dir != "/"; dir = path.Dir(dir) {
		info, err := fs.Stat(h.Files, dir)
		if err != nil {
			continue
		}
		if uid, gid := owner(info); uid == 0 && info.Mode()&0o001 == 0 && (gid == 0 || info.Mode()&0o010 == 0) {
			return false
		}
	}
	return true
}

// isRootly reports whether a list, such as cap_setuid,cap_net_raw=ep, has one that amounts to root. All of them are written as none: =ep.
func isRootly(caps string) bool {
	list := caps
	if i := strings.IndexAny(caps, "=+"); i >= 0 {
		list = caps[:i]
	}
	return list == "" || list == "all" || slices.ContainsFunc(strings.Split(list, ","), func(c string) bool { return slices.Contains(rootly, c) })
}
