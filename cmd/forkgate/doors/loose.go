package doors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

func looseProbe(_ context.Context, h *Host) finding {
	found, err := h.loose(rootsFiles, slices.Concat(h.glob("etc/systemd/system/*.d"), rootsDirs)...)
	if err != nil {
		return open("look at it", "%v", err)
	}
	why := ""
	for _, look := range []func() (loose []string, by string, err error){h.looseRun, h.looseRead} {
		loose, by, err := look()
		if err != nil {
			return open("look at it", "%v", err)
		}
		found, why = withNew(found, loose), why+by
	}
	if len(found) > 0 {
		f := h.othersWrite(found)
		f.found += why
		return f
	}
	disks, err := h.looseDisks()
	switch {
	case err != nil:
		return open("look at it", "%v", err)
	case len(disks) > 0:
		return open(h.rootsAlone(disks[:1], "root:disk", "660"), "%s: who may read or write a disk has all that is on it", some(disks))
	}
	return closed("those that were looked at are root's")
}

// withNew are names, and those of more that are not among them.
func withNew(names, more []string) []string {
	for _, name := range more {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// othersWrite is what to say of files that are loose.
func (h *Host) othersWrite(files []string) finding {
	is := "is not root's alone to write"
	if len(files) > 1 {
		is = "are not root's alone to write"
	}
	return open(h.rootsAlone(files[:min(len(files), few)], "root:", "go-w"), "%s %s", some(files), is)
}

// rootsAlone is what to type to have files be whose they should be. setfacl, which not every host has, is needed where there is a list alone.
func (h *Host) rootsAlone(files []string, whose, mode string) string {
	all := strings.Join(files, " ")
	do := fmt.Sprintf("chown %s %s && chmod %s %s", whose, all, mode, all)
	for _, file := range files {
		if list, err := h.Attribute(strings.TrimPrefix(file, "/"), "system.posix_acl_access"); err != nil || len(list) > 0 {
			return do + " && setfacl -b " + all
		}
	}
	return do
}

// loose are those of these files, or of these directories and what lies in them, that somebody beside root can write.
func (h *Host) loose(files []string, dirs ...string) (found []string, err error) {
	files = slices.Clone(files)
	for _, dir := range dirs {
		inside, err := h.list(dir)
		if err != nil {
			return nil, err
		}
		files = append(append(files, dir), inside...)
	}
	for _, file := range files {
		info, err := fs.Stat(h.Files, file)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() && !info.Mode().IsRegular() { // such as /dev/null, which a masked unit is
			continue
		}
		if err != nil {
			return nil, err
		}
		others, err := h.others(file)
		if err != nil {
			return nil, err
		}
		if uid, _ := owner(info); uid != 0 || h.shared(info) || others != "" {
			found = withNew(found, []string{"/" + file})
		}
	}
	return found, nil
}

// shared reports whether a file's mode has somebody write it who is neither its owner, root nor an admin.
func (h *Host) shared(info fs.FileInfo) bool {
	_, gid := owner(info)
	return info.Mode()&0o002 != 0 || info.Mode()&0o020 != 0 && gid != 0 && h.peopled(gid)
}

// peopled reports whether somebody is in a group who is neither root nor an admin, or that cannot be ruled out. Debian's staff, to whom /usr/local may belong,
// has nobody in it.
func (h *Host) peopled(gid int) bool {
	a, err := h.accounts()
	group := h.group(gid)
	return err != nil || group == "" || a.elsewhere != "" || len(a.strangers(a.members[group])) > 0
}
