package doors

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
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

// theirs are the files in directories that belong, by name or by owner, to who is neither root nor an admin, with whose they are: people's, and services'. A
// directory that is not there is empty.
func (h *Host) theirs(byName bool, dirs ...string) (people, services map[string]string, err error) {
	a, err := h.accounts()
	if err != nil {
		return nil, nil, err
	}
	people, services = map[string]string{}, map[string]string{}
	for _, dir := range dirs {
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
				name = a.named(info)
			}
			switch {
			case len(a.strangers([]string{name})) == 0:
			case a.ofService(name):
				services[file] = name
			default:
				people[file] = name
			}
		}
	}
	return people, services, nil
}

// named is who owns a file.
func (a accounts) named(info fs.FileInfo) string {
	uid, _ := owner(info)
	if i := slices.IndexFunc(a.all, func(one account) bool { return one.uid == uid }); i >= 0 {
		return a.all[i].name
	}
	return fmt.Sprintf("uid %d", uid)
}

// names are whose some files are, each once.
func names(whose map[string]string) string {
	return some(slices.Compact(slices.Sorted(maps.Values(whose))))
}

// haveThem is what to say of what services have: it is not taken away, as it may be what the host is for.
func haveThem(way, what, remove string, services map[string]string) finding {
	who := slices.Min(slices.Collect(maps.Values(services)))
	return open(fmt.Sprintf("--except %s where that is what they are for; else: "+remove, way, who), "%s of services: %s", what, names(services))
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

// closeJobs leaves a program to root and the admins, and takes away what people have had it do. What services have is production's, and for the operator.
func (h *Host) closeJobs(name string, byName bool, dirs ...string) ([]step, error) {
	people, _, err := h.theirs(byName, dirs...)
	if err != nil {
		return nil, err
	}
	steps, err := h.allow(name)
	return append(steps, removals(slices.Sorted(maps.Keys(people)))...), err
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
	people, services, err := h.theirs(false, spools...)
	maps.DeleteFunc(services, func(_, who string) bool { return who == "daemon" }) // at's own
	switch {
	case err != nil:
		return open("look at /"+spools[0], "%v", err)
	case len(people) > 0:
		return open("", "jobs of %s", names(people))
	}
	switch why, err := h.leave("at", true); {
	case err != nil:
		return open("look at /etc/at.allow", "%v", err)
	case why != "":
		return open("", "%s", why)
	case len(services) > 0:
		return haveThem("at", "jobs", "atq, and atrm, as %s", services)
	}
	return gated("root, and who is in %s", AdminGroup)
}

func closeAt(_ context.Context, h *Host) ([]step, error) { return h.closeJobs("at", false, spools...) }

func lingerProbe(_ context.Context, h *Host) finding {
	people, services, err := h.theirs(true, linger)
	switch {
	case err != nil:
		return open("look at /"+linger, "%v", err)
	case len(people) > 0:
		return open("", "of %s", names(people))
	case len(services) > 0:
		return haveThem("lingering", "lingering", "loginctl disable-linger %s", services)
	}
	return closed("of nobody but root and %s", AdminGroup)
}

func closeLinger(_ context.Context, h *Host) ([]step, error) {
	people, _, err := h.theirs(true, linger)
	if err != nil {
		return nil, err
	}
	a, err := h.accounts()
	if err != nil {
		return nil, err
	}
	var steps []step
	for _, file := range slices.Sorted(maps.Keys(people)) {
		one, known := a.find(people[file])
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
