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

// packaged are where programs of the system's packages lie: those that are setuid there are what they are, unless it is a shell.
var packaged = []string{"usr/bin/", "usr/sbin/", "usr/lib/", "usr/libexec/", "usr/lib64/", "bin/", "sbin/"}

// setuid are setuid programs of root's that are no system's, or a shell's copy. Directories that root alone enters are left out. find(1) looks, as it is quick.
func (h *Host) setuid(ctx context.Context) (found []string, err error) {
	argv := []string{"find", "-P"}
	for _, place := range places {
		if info, err := fs.Lstat(h.Files, place); err == nil && info.IsDir() {
			argv = append(argv, "/"+place)
		}
	}
	// Images of containers lie where root and its group alone enter.
	text, err := h.Run(ctx, append(argv, "-ignore_readdir_race", "(", "-type", "d", "-uid", "0", "!", "-perm", "/001", "(", "-gid", "0", "-o", "!", "-perm", "/010", ")", "-prune", ")",
		"-o", "(", "-type", "f", "-uid", "0", "-perm", "-4000", "-print0", ")")...)
	shells := h.shells()
	for name := range strings.SplitSeq(text, "\x00") {
		if name = strings.TrimPrefix(name, "/"); name == "" {
			continue
		}
		info, err := fs.Lstat(h.Files, name)
		if err != nil || h.suspicious(name, info, shells) {
			found = append(found, name)
		}
	}
	return found, err
}

func (h *Host) suspicious(name string, info fs.FileInfo, shells map[int64][][]byte) bool {
	if !slices.ContainsFunc(packaged, func(dir string) bool { return strings.HasPrefix(name, dir) }) {
		return !h.ofPackage(name)
	}
	sums := shells[info.Size()]
	if len(sums) == 0 {
		return false
	}
	sum, err := h.sum(name)
	return err != nil || slices.ContainsFunc(sums, func(other []byte) bool { return bytes.Equal(sum, other) })
}

// ofPackage reports whether dpkg has installed a file: a browser's sandbox, in /opt, for instance.
func (h *Host) ofPackage(name string) bool {
	lists, _ := fs.Glob(h.Files, "var/lib/dpkg/info/*.list")
	return slices.ContainsFunc(lists, func(list string) bool {
		text, _, _ := h.read(list)
		return strings.Contains("\n"+text, "\n/"+name+"\n")
	})
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
