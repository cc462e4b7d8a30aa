package doors

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// What makes root of who is on the host already, or of who reaches a socket.
func rootWays() []way {
	return []way{
		{name: "sudo", why: "who may be root by sudo needs no door", probe: sudoProbe, shut: closeSudo},
		{name: "PAM trusts", why: "who is trusted by PAM is root, or somebody else, without a password", probe: trustProbe},
		{name: "polkit", why: "who is in polkit's group of administrators is root by pkexec and systemd-run", probe: polkitProbe, shut: closePolkit},
		{name: "doas", why: "who may be root by doas needs no door", probe: doasProbe},
		{name: "groups", why: "who is in such a group has the disk, the memory, the passwords or Docker of the host, and with it the host", probe: groupsProbe, shut: closeGroups},
		{name: "sockets", why: "who can write to the socket of a container engine is root of the host", probe: socketsProbe, shut: closeSockets},
		{name: "setuid", why: "a shell that is setuid root makes root of everybody", probe: setuidProbe, shut: closeSetuid, slow: true},
		{name: "capabilities", why: "a file with such capabilities makes as good as root of everybody who runs it", probe: capabilitiesProbe},
		{name: "root's files", why: "who can write what root, sshd or PAM reads can let himself in", probe: looseProbe},
	}
}

// mighty are groups that amount to root.
var mighty = []string{"root", "docker", "disk", "shadow", "kmem", "lxd", "incus-admin", "incus", "libvirt", "podman"}

func (h *Host) mighty() (groups members, who []string, err error) {
	a, err := h.accounts()
	if err != nil {
		return nil, nil, err
	}
	groups = members{}
	for _, group := range mighty {
		for _, name := range a.strangers(a.members[group]) {
			if one, known := a.find(name); group == "root" && known && one.gid == 0 && !one.hasShell() { // sync, halt and operator of Fedora's
				continue
			}
			groups[group] = append(groups[group], name)
			who = append(who, name+" in "+group)
		}
	}
	if a.elsewhere != "" {
		who = append(who, "perhaps those of "+a.elsewhere)
	}
	return groups, who, nil
}

func groupsProbe(_ context.Context, h *Host) finding {
	switch _, who, err := h.mighty(); {
	case err != nil:
		return open("look at it", "%v", err)
	case len(who) > 0:
		return open("", "%s", some(who))
	}
	if do, why := h.joinable(); why != "" {
		return open(do, "%s", why)
	}
	return closed("nobody but root and %s is in one", AdminGroup)
}

// joinable says by whom others, or oneself, can be taken into a group that amounts to root, or whose members are let in: its administrators, and whoever
// knows its password (gshadow(5), gpasswd(1), newgrp(1)).
func (h *Host) joinable() (do, why string) {
	a, err := h.accounts()
	if err != nil {
		return "look at it", err.Error()
	}
	watched := append([]string{AdminGroup, "sudo", "wheel"}, mighty...)
	for _, file := range []string{"etc/gshadow", "etc/group"} {
		text, _, err := h.read(file)
		if err != nil {
			return "look at /" + file, err.Error()
		}
		for line := range strings.Lines(text) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) != 4 || !slices.Contains(watched, f[0]) {
				continue
			}
			if hash := f[1]; hash != "" && hash != "x" && hash[0] != '!' && hash[0] != '*' {
				return "gpasswd --remove-password " + f[0], "whoever knows the password of the group " + f[0] + " is in it, by newgrp"
			}
			if who := a.strangers(fields(f[2])); file == "etc/gshadow" && len(who) > 0 {
				return "gpasswd --administrators '' " + f[0], some(who) + " may take anybody into " + f[0] + " (gpasswd)"
			}
		}
	}
	return "", ""
}

// closeGroups takes names out of lists. Whose first group it is stays: that is a line of passwd(5), and for the operator to change.
func closeGroups(_ context.Context, h *Host) ([]step, error) {
	groups, _, err := h.mighty()
	if err != nil {
		return nil, err
	}
	var steps []step
	for _, file := range []string{"etc/group", "etc/gshadow"} {
		text, ok, err := h.read(file)
		if err != nil {
			return nil, err
		}
		if now := without(text, groups); ok && now != text {
			steps = append(steps, step{path: "/" + file, text: now, was: text, out: taken(text, groups)})
		}
	}
	return steps, nil
}

// taken are the members of groups that a text has.
func taken(text string, groups members) members {
	out := members{}
	for line := range strings.Lines(text) {
		group, _, _ := strings.Cut(line, ":")
		for _, name := range groups[group] {
			if slices.Contains(fields(line[strings.LastIndex(line, ":")+1:len(strings.TrimSuffix(line, "\n"))]), name) {
				out[group] = append(out[group], name)
			}
		}
	}
	return out
}

// without takes members out of groups, in the format of group(5) and gshadow(5): their last field.
func without(text string, out members) string {
	return edit(text, func(group string, names []string) []string {
		return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(out[group], name) })
	})
}

// within puts them back into groups that are there.
func within(text string, back members) string {
	return edit(text, func(group string, names []string) []string {
		for _, name := range back[group] {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return names
	})
}

func edit(text string, now func(group string, names []string) []string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		rest := strings.TrimSuffix(line, "\n")
		group, _, _ := strings.Cut(rest, ":")
		i := strings.LastIndex(rest, ":")
		if i < 0 {
			b.WriteString(line)
			continue
		}
		names := slices.DeleteFunc(strings.Split(rest[i+1:], ","), func(name string) bool { return name == "" })
		b.WriteString(rest[:i+1] + strings.Join(now(group, names), ",") + line[len(rest):])
	}
	return b.String()
}

// engines are where container engines listen.
var engines = []string{
	"run/docker.sock", "run/podman/podman.sock", "run/containerd/containerd.sock", "run/crio/crio.sock", "var/lib/lxd/unix.socket", "var/snap/lxd/common/lxd/unix.socket",
	"var/lib/incus/unix.socket", "run/libvirt/libvirt-sock", "run/k3s/containerd/containerd.sock",
}

// loosely are the engines' sockets that somebody can write to who is neither root nor in a group that row groups looks at.
func (h *Host) loosely() (sockets, why []string, err error) {
	a, err := h.accounts()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range engines {
		info, err := fs.Stat(h.Files, name)
		if h.exists(name) == "" && err != nil {
			continue
		}
		uid, gid := owner(info)
		mode := info.Mode()
		group := h.group(gid)
		others, err := h.others(name)
		switch {
		case err != nil:
			return nil, nil, err
		case others != "":
			why = append(why, fmt.Sprintf("/%s is for %s, by its access control list", name, others))
		case mode&0o002 != 0:
			why = append(why, "/"+name+" is everybody's to write")
		case uid != 0:
			why = append(why, fmt.Sprintf("/%s is uid %d's", name, uid))
		case mode&0o020 != 0 && gid != 0 && (group == "" || len(a.strangers(a.members[group])) > 0) && !slices.Contains(mighty, group):
			why = append(why, fmt.Sprintf("/%s is for the group %s (gid %d): %s", name, group, gid, some(a.strangers(a.members[group]))))
		default:
			continue
		}
		sockets = append(sockets, name)
	}
	return sockets, why, nil
}

func (h *Host) group(gid int) string {
	text, _, _ := h.read("etc/group")
	for line := range strings.Lines(text) {
		if f := strings.Split(line, ":"); len(f) == 4 && f[2] == fmt.Sprint(gid) {
			return f[0]
		}
	}
	return ""
}

func socketsProbe(_ context.Context, h *Host) finding {
	switch _, why, err := h.loosely(); {
	case err != nil:
		return open("look at it", "%v", err)
	case len(why) > 0:
		return open("", "%s; what makes it so, a drop-in of docker.socket perhaps, makes it so again", some(why))
	}
	return closed("none, or root's and a group's that amounts to root")
}

func closeSockets(_ context.Context, h *Host) ([]step, error) {
	sockets, _, err := h.loosely()
	var steps []step
	rootAlone := fs.FileMode(0o600)
	for _, name := range sockets {
		steps = append(steps, step{path: "/" + name, chmod: &rootAlone})
	}
	return steps, err
}
