package doors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// What runs later, without anybody who logs in.
func jobWays() []way {
	return []way{
		{name: "cron", why: "what a crontab starts runs on the host, and no login is asked about it", probe: cronProbe, shut: closeCron},
		{name: "at", why: "what at starts runs on the host, and no login is asked about it", probe: atProbe, shut: closeAt},
		{name: "lingering", why: "systemd runs what such an account has enabled, from boot on and without a login", probe: lingerProbe, shut: closeLinger},
	}
}

const (
	crontabs = "var/spool/cron/crontabs"
	cronie   = "var/spool/cron" // where Fedora's cron has them
	linger   = "var/lib/systemd/linger"
)

// spools are where jobs of at's lie, which at calls a00001019f3c2b: whose they are says the file's owner.
var spools = []string{"var/spool/cron/atjobs", "var/spool/at"}

// theirs are the files in a directory that belong, by name or by owner, to who is neither root nor an admin.
func (h *Host) theirs(dir string, byName bool) (files, who []string, err error) {
	a, err := h.accounts()
	if err != nil {
		return nil, nil, err
	}
	all, err := h.list(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range all {
		info, err := fs.Lstat(h.Files, file)
		if err != nil {
			return nil, nil, err
		}
		if info.IsDir() || strings.HasPrefix(path.Base(file), ".") {
			continue
		}
		name := path.Base(file)
		if !byName {
			uid, _ := owner(info)
			name = fmt.Sprintf("uid %d", uid)
			if i := slices.IndexFunc(a.all, func(one account) bool { return one.uid == uid }); i >= 0 {
				name = a.all[i].name
			}
		}
		if len(a.strangers([]string{name})) > 0 {
			files = append(files, file)
			if !slices.Contains(who, name) {
				who = append(who, name)
			}
		}
	}
	return files, who, nil
}

// leave says who may use a program by its .allow and .deny: everybody where there is neither, or only .deny.
func (h *Host) leave(name string, rootAlone bool) (why string, err error) {
	a, err := h.accounts()
	if err != nil {
		return "", err
	}
	text, ok, err := h.read("etc/" + name + ".allow")
	switch {
	case err != nil:
		return "", err
	case ok:
		if who := a.strangers(lines(text)); len(who) > 0 {
			return fmt.Sprintf("/etc/%s.allow has %s", name, some(who)), nil
		}
		return "", nil
	}
	if rootAlone && h.exists("etc/"+name+".deny") == "" {
		return "", nil
	}
	return fmt.Sprintf("there is no /etc/%s.allow, so that everybody may", name), nil
}

func cronProbe(_ context.Context, h *Host) finding {
	_, who, err := h.theirs(crontabs, true)
	_, others, wrong := h.theirs(cronie, true)
	if who = append(who, others...); err != nil || wrong != nil {
		return open("look at /"+crontabs, "%v", errors.Join(err, wrong))
	}
	there := h.exists("usr/sbin/cron", "usr/sbin/crond", "usr/sbin/fcron", "usr/sbin/bcron-start") != ""
	if len(who) > 0 && there {
		return open("", "crontabs of %s", some(who))
	}
	loose, err := h.loose([]string{"etc/crontab", "etc/anacrontab"}, "etc/cron.d", "etc/cron.hourly", "etc/cron.daily", "etc/cron.weekly", "etc/cron.monthly")
	if loose != "" && there {
		return open("chown root: "+loose+" && chmod go-w "+loose+" && setfacl -b "+loose, "%s is not root's alone to write", loose)
	}
	switch why, wrong := h.leave("cron", false); {
	case !there:
		return closed("there is no cron")
	case err != nil || wrong != nil:
		return open("look at /etc/cron.allow, and /etc/cron.d", "%v", errors.Join(err, wrong))
	case why != "":
		return open("", "%s", why)
	}
	return gated("root, and who is in %s", AdminGroup)
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
		if uid, gid := owner(info); uid != 0 || info.Mode()&0o002 != 0 || info.Mode()&0o020 != 0 && gid != 0 {
			return "/" + file, nil
		}
		if others, err := h.others(file); err != nil || others != "" {
			return "/" + file, err
		}
	}
	return "", nil
}

func closeCron(_ context.Context, h *Host) ([]step, error) {
	files, _, err := h.theirs(crontabs, true)
	others, _, wrong := h.theirs(cronie, true)
	if err = errors.Join(err, wrong); err != nil {
		return nil, err
	}
	steps, err := h.allow("cron")
	return append(steps, removals(append(files, others...))...), err
}

// allow leaves a program to root and the admins. crontab(1) and at(1) read it as who asks, and let nobody where they cannot.
func (h *Host) allow(name string) ([]step, error) {
	a, err := h.accounts()
	if err != nil {
		return nil, err
	}
	admins := slices.Clone(a.members[AdminGroup])
	slices.Sort(admins)
	who := slices.Compact(append([]string{"root"}, slices.DeleteFunc(admins, func(n string) bool { return n == "root" })...))
	return []step{{path: "/etc/" + name + ".allow", text: strings.Join(who, "\n") + "\n", mode: 0o644}}, nil
}

func removals(files []string) (steps []step) {
	for _, file := range files {
		steps = append(steps, step{path: "/" + file, remove: true})
	}
	return steps
}

func atProbe(_ context.Context, h *Host) finding {
	if h.exists("usr/sbin/atd", "usr/bin/at") == "" {
		return closed("there is no at")
	}
	for _, spool := range spools {
		_, who, err := h.theirs(spool, false)
		if err != nil {
			return open("look at /"+spool, "%v", err)
		}
		if who = slices.DeleteFunc(who, func(n string) bool { return n == "daemon" }); len(who) > 0 {
			return open("", "jobs of %s", some(who))
		}
	}
	switch why, err := h.leave("at", true); {
	case err != nil:
		return open("look at /etc/at.allow", "%v", err)
	case why != "":
		return open("", "%s", why)
	}
	return gated("root, and who is in %s", AdminGroup)
}

func closeAt(_ context.Context, h *Host) ([]step, error) {
	steps, err := h.allow("at")
	for _, spool := range spools {
		files, _, wrong := h.theirs(spool, false)
		if err == nil {
			err = wrong
		}
		steps = append(steps, removals(slices.DeleteFunc(files, func(f string) bool { return path.Base(f) == ".SEQ" }))...)
	}
	return steps, err
}

func lingerProbe(_ context.Context, h *Host) finding {
	_, who, err := h.theirs(linger, true)
	switch {
	case err != nil:
		return open("look at /"+linger, "%v", err)
	case len(who) > 0:
		return open("", "of %s", some(who))
	}
	return closed("of nobody but root and %s", AdminGroup)
}

func closeLinger(_ context.Context, h *Host) ([]step, error) {
	files, who, err := h.theirs(linger, true)
	if err != nil {
		return nil, err
	}
	a, err := h.accounts()
	if err != nil {
		return nil, err
	}
	var steps []step
	for i, file := range files {
		one, known := a.find(who[i])
		if known {
			steps = append(steps, step{undo: []string{"systemctl", "start", "--no-block", fmt.Sprintf("user@%d.service", one.uid)}})
		}
		steps = append(steps, step{path: "/" + file, remove: true})
		if known {
			steps = append(steps, step{do: []string{"systemctl", "stop", fmt.Sprintf("user@%d.service", one.uid)}})
		}
	}
	return steps, nil
}
