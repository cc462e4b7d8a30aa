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
	"strings"
)

// places are where a setuid program is looked for: all that everybody can reach on a usual host.
var places = []string{"usr", "bin", "sbin", "opt", "home", "srv", "tmp", "var", "etc", "root", "dev/shm", "run", "mnt"}

// packaged are where programs of the system's packages lie: what is setuid there is what it is on a host whose packages cannot be asked, unless it is a shell.
var packaged = []string{"usr/bin/", "usr/sbin/", "usr/lib/", "usr/libexec/", "usr/lib64/", "bin/", "sbin/", packagedRules + "/"}

// setuid are setuid programs of root's, and setgid ones of groups that amount to root, that are no system's, or a shell's copy. Directories that root alone
// enters are left out. find(1) looks, as it is quick.
func (h *Host) setuid(ctx context.Context) (found []string, err error) {
	argv := append([]string{"find", "-P"}, h.below(places)...)
	// Images of containers lie where root and its group alone enter.
	argv = append(argv, "-ignore_readdir_race", "(", "-type", "d", "-uid", "0", "!", "-perm", "/001", "(", "-gid", "0", "-o", "!", "-perm", "/010", ")", "-prune", ")",
		"-o", "(", "-type", "f", "(", "-uid", "0", "-perm", "-4000")
	for _, gid := range h.gids(mighty) {
		argv = append(argv, "-o", "-gid", gid, "-perm", "-2000")
	}
	text, err := h.Run(ctx, append(argv, ")", "-print0", ")")...)
	var names []string
	for name := range strings.SplitSeq(text, "\x00") {
		if name = strings.TrimPrefix(name, "/"); name != "" {
			names = append(names, name)
		}
	}
	shells, owned := h.shells(), h.ofPackages(ctx, names)
	for _, name := range names {
		info, err := fs.Lstat(h.Files, name)
		if err != nil || !owned[name] || h.isShell(name, info, shells) {
			found = append(found, name)
		}
	}
	return found, err
}

func (h *Host) below(places []string) (there []string) {
	for _, place := range places {
		if info, err := fs.Lstat(h.Files, place); err == nil && info.IsDir() {
			there = append(there, "/"+place)
		}
	}
	return there
}

func (h *Host) gids(groups []string) (gids []string) {
	text, _, _ := h.read("etc/group")
	for line := range strings.Lines(text) {
		if f := strings.Split(line, ":"); len(f) == 4 && slices.Contains(groups, f[0]) {
			gids = append(gids, f[2])
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
	owned := map[string]bool{}
	lists, _ := fs.Glob(h.Files, "var/lib/dpkg/info/*.list")
	for _, list := range lists {
		text, _, _ := h.read(list)
		for _, name := range names { // /bin was a directory once, and is in some lists
			if text := "\n" + text; strings.Contains(text, "\n/"+name+"\n") || strings.Contains(text, "\n/"+strings.TrimPrefix(name, "usr/")+"\n") {
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
	return closed("none but the system's own")
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
