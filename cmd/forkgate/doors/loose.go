package doors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

func looseProbe(_ context.Context, h *Host) finding {
	drops, _ := fs.Glob(h.Files, "etc/systemd/system/*.d") // a pattern that is well formed has no error
	loose, err := h.loose([]string{"etc", "etc/passwd", "etc/shadow", "etc/group", "etc/sudoers", "etc/ld.so.preload", "usr/bin/forkgate", "root", "etc/rc.local"},
		slices.Concat(drops, []string{"etc/sudoers.d", "etc/ssh", "etc/ssh/sshd_config.d", "etc/pam.d", "etc/security", "etc/systemd/system", "etc/profile.d", "etc/ld.so.conf.d",
			"usr/lib/forkgate", "usr/local/bin", "usr/local/sbin"})...)
	switch {
	case err != nil:
		return open("look at it", "%v", err)
	case loose != "":
		return othersWrite(loose)
	}
	loose, by, err := h.looseRun()
	if err != nil {
		return open("look at it", "%v", err)
	}
	if loose != "" {
		f := othersWrite(loose)
		f.found += ", and root runs it, or what is in it, by " + by
		return f
	}
	return closed("those that were looked at are root's")
}

// othersWrite is what to say of a file that is loose.
func othersWrite(file string) finding {
	return open(fmt.Sprintf("chown root: %s && chmod go-w %[1]s && setfacl -b %[1]s", file), "%s is not root's alone to write", file)
}

// loose is the first of these files, or of these directories and what lies in them, that somebody beside root can write.
func (h *Host) loose(files []string, dirs ...string) (string, error) {
	for _, dir := range dirs {
		inside, err := h.list(dir)
		if err != nil {
			return "", err
		}
		files = append(append(files, dir), inside...)
	}
	for _, file := range files {
		info, err := fs.Stat(h.Files, file)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() && !info.Mode().IsRegular() { // such as /dev/null, which a masked unit is
			continue
		}
		if err != nil {
			return "", err
		}
		if uid, gid := owner(info); uid != 0 || info.Mode()&0o002 != 0 || info.Mode()&0o020 != 0 && gid != 0 && h.peopled(gid) {
			return "/" + file, nil
		}
		if others, err := h.others(file); err != nil || others != "" {
			return "/" + file, err
		}
	}
	return "", nil
}

// peopled reports whether somebody is in a group who is neither root nor an admin, or that cannot be ruled out. Debian's staff, to whom /usr/local may belong,
// has nobody in it.
func (h *Host) peopled(gid int) bool {
	a, err := h.accounts()
	group := h.group(gid)
	return err != nil || group == "" || a.elsewhere != "" || len(a.strangers(a.members[group])) > 0
}
