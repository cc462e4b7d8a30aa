package doors

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// packaged are where programs of the system's packages lie: what is setuid there is what it is on a host whose packages cannot be asked, unless it is a shell.
var packaged = []string{"usr/bin/", "usr/sbin/", "usr/lib/", "usr/libexec/", "usr/lib64/", "bin/", "sbin/", packagedRules + "/"}

// usual are programs that packages bring setuid, or setgid of a group that amounts to root. Any other one of a package's somebody has made so.
var usual = strings.Fields(`
	at auth_pam_tool bwrap chage check_dhcp check_icmp chfn chrome-sandbox chsh cockpit-session crontab dbus-daemon-launch-helper dma dma-mbox-create doas exim4 expiry fping
	fusermount fusermount3 gpasswd grub2-set-bootflag krb5_child ksu ldap_child lxc-user-nic maildrop mount mount.cifs mount.davfs mount.ecryptfs_private mount.nfs mtr-packet
	newgidmap newgrp newuidmap ntfs-3g nvidia-modprobe p11_child pam_timestamp_check passwd ping ping6 pkexec polkit-agent-helper-1 pppd procmail proxy_child qemu-bridge-helper
	selinux_child sg snap-confine spice-client-glib-usb-acl-helper ssh-keysign sssd_pam su sudo sudoedit suexec traceroute6.iputils umount unix_chkpwd unix_update
	userhelper usernetctl Xorg.wrap`)

// setuid are setuid programs of root's, and setgid ones of groups that amount to root, that are no system's, or a shell's copy.
func (h *Host) setuid(ctx context.Context) (found []string, err error) {
	all := h.walk(ctx)
	shells, owned := h.shells(), h.ofPackages(ctx, all.setuid)
	for _, name := range all.setuid {
		info, err := fs.Lstat(h.Files, name)
		if err != nil || !owned[name] || !slices.Contains(usual, path.Base(name)) || h.isShell(name, info, shells) {
			found = append(found, name)
		}
	}
	return found, all.err
}

func (h *Host) gids(groups []string) (gids []int) {
	text, _, _ := h.read("etc/group")
	for line := range strings.Lines(text) {
		if f := strings.Split(line, ":"); len(f) == 4 && slices.Contains(groups, f[0]) {
			if gid, err := strconv.Atoi(f[2]); err == nil {
				gids = append(gids, gid)
			}
		}
	}
	return gids
}

// isShell reports whether a program is one that runs what it is told, by another name.
func (h *Host) isShell(name string, info fs.FileInfo, shells map[int64][][]byte) bool {
	sums := shells[info.Size()]
	if len(sums) == 0 {
		return false
	}
	sum, err := h.sum(name)
	return err != nil || slices.ContainsFunc(sums, func(other []byte) bool { return bytes.Equal(sum, other) })
}

// ofPackages are those of names that dpkg has installed, or rpm: a browser's sandbox, in /opt, for instance. Where neither is, a directory has to do.
func (h *Host) ofPackages(ctx context.Context, names []string) map[string]bool {
	owned, called := map[string]bool{}, map[string]string{}
	for _, name := range names { // /bin was a directory once, and is in some lists
		called["/"+name], called["/"+strings.TrimPrefix(name, "usr/")] = name, name
	}
	lists, _ := fs.Glob(h.Files, "var/lib/dpkg/info/*.list")
	for _, list := range lists {
		text, _, _ := h.read(list)
		for line := range strings.Lines(text) {
			if name := called[strings.TrimSpace(line)]; name != "" {
				owned[name] = true
			}
		}
	}
	rpm := len(lists) == 0 && h.exists("usr/bin/rpm", "bin/rpm") != ""
	for _, name := range names {
		switch {
		case rpm:
			_, err := h.Run(ctx, "rpm", "-qf", "/"+name)
			owned[name] = err == nil
		case len(lists) == 0:
			owned[name] = slices.ContainsFunc(packaged, func(dir string) bool { return strings.HasPrefix(name, dir) })
		}
	}
	return owned
}

// shells are the sums of programs that run what they are told, by size.
func (h *Host) shells() map[int64][][]byte {
	names := []string{"bin/sh", "bin/bash", "bin/dash", "bin/busybox", "usr/bin/env", "usr/bin/python3", "usr/bin/perl", "usr/bin/find", "usr/bin/vim", "usr/bin/nice", "bin/cp"}
	text, _, _ := h.read("etc/shells")
	for _, line := range lines(text) {
		names = append(names, strings.TrimPrefix(path.Clean(line), "/"))
	}
	all := map[int64][][]byte{}
	for _, name := range names {
		info, err := fs.Stat(h.Files, name)
		if err != nil {
			continue
		}
		if sum, err := h.sum(name); err == nil {
			all[info.Size()] = append(all[info.Size()], sum)
		}
	}
	return all
}

func (h *Host) sum(name string) ([]byte, error) {
	f, err := h.Files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return sum.Sum(nil), err
}

func setuidProbe(ctx context.Context, h *Host) finding {
	found, err := h.setuid(ctx)
	switch {
	case len(found) > 0:
		return open("", "/%s", some(found))
	case err != nil:
		return open("find / -perm -4000 -user root; and --except setuid where nothing is wrong with what that finds", "%v", err)
	}
	return closed("%s", walked)
}

func closeSetuid(ctx context.Context, h *Host) ([]step, error) {
	found, err := h.setuid(ctx)
	var steps []step
	for _, name := range found {
		info, err := fs.Lstat(h.Files, name)
		if err != nil {
			return nil, fmt.Errorf("cannot look at /%s: %w", name, err)
		}
		mode := info.Mode().Perm()
		steps = append(steps, step{path: "/" + name, chmod: &mode})
	}
	return steps, err
}
