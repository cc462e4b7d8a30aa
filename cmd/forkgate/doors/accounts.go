package doors

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// account is a line of passwd(5), with what shadow(5) says of it.
type account struct {
	name, home, shell string
	uid, gid          int
	password          bool // one that somebody may type, the empty one included
	blank             bool // the empty one: nobody is asked for any
	expired           bool
}

// accounts are those of the host's files.
type accounts struct {
	all       []account
	members   map[string][]string // by group, those included whose first group it is
	elsewhere string              // where else accounts come from, which cannot be listed; empty: from nowhere
}

func (h *Host) accounts() (accounts, error) {
	a := accounts{members: map[string][]string{}}
	var texts []string
	for _, name := range []string{"etc/passwd", "etc/group", "etc/shadow"} {
		text, ok, err := h.read(name)
		if !ok {
			return a, fmt.Errorf("cannot read /%s: %v", name, err)
		}
		texts = append(texts, text)
	}
	a.read(texts[0], texts[2])
	for line := range strings.Lines(texts[1]) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 4 {
			continue
		}
		gid, err := strconv.Atoi(f[2])
		for _, one := range a.all {
			if err == nil && one.gid == gid {
				a.members[f[0]] = append(a.members[f[0]], one.name)
			}
		}
		for _, name := range strings.Split(f[3], ",") {
			if name != "" && !slices.Contains(a.members[f[0]], name) {
				a.members[f[0]] = append(a.members[f[0]], name)
			}
		}
	}
	a.elsewhere = h.sources()
	return a, nil
}

func (a *accounts) read(passwd, shadow string) {
	secrets := map[string][]string{}
	for line := range strings.Lines(shadow) {
		f := strings.Split(strings.TrimSpace(line), ":")
		secrets[f[0]] = f
	}
	for line := range strings.Lines(passwd) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 7 {
			continue
		}
		uid, err := strconv.Atoi(f[2])
		gid, wrong := strconv.Atoi(f[3])
		if err != nil || wrong != nil {
			continue
		}
		one := account{name: f[0], uid: uid, gid: gid, home: f[5], shell: f[6]}
		hash := f[1]
		if s := secrets[f[0]]; hash == "x" {
			hash = "*"
			if len(s) > 1 {
				hash = s[1]
			}
			if len(s) > 7 && s[7] != "" {
				days, err := strconv.ParseInt(s[7], 10, 64)
				one.expired = err != nil || time.Now().Unix()/86400 >= days
			}
		}
		one.password = !strings.HasPrefix(hash, "!") && !strings.HasPrefix(hash, "*")
		one.blank = hash == ""
		a.all = append(a.all, one)
	}
}

// sources are where nsswitch.conf(5) has accounts and groups come from beside files.
func (h *Host) sources() string {
	text, _, err := h.read("etc/nsswitch.conf")
	if err != nil {
		return "an nsswitch.conf that cannot be read"
	}
	var other []string
	for _, line := range lines(text) {
		database, rest, _ := strings.Cut(line, ":")
		if database != "passwd" && database != "group" && database != "initgroups" {
			continue
		}
		for _, source := range strings.Fields(rest) {
			if source != "files" && source != "systemd" && !strings.HasPrefix(source, "[") && !strings.HasSuffix(source, "]") && !slices.Contains(other, source) {
				other = append(other, source)
			}
		}
	}
	return strings.Join(other, ", ")
}

func (a accounts) find(name string) (account, bool) {
	i := slices.IndexFunc(a.all, func(one account) bool { return one.name == name })
	if i < 0 {
		return account{}, false
	}
	return a.all[i], true
}

// ofService reports whether an account is a service's: of the uids that Debian and Fedora give to nobody who logs in (UID_MIN in login.defs(5)). What such
// a one has running is what this host is for.
func (a accounts) ofService(name string) bool {
	one, known := a.find(name)
	return known && one.uid > 0 && one.uid < 1000
}

func (a accounts) admin(name string) bool { return slices.Contains(a.members[AdminGroup], name) }

// strangers are those of names that are neither root nor admins.
func (a accounts) strangers(names []string) (some []string) {
	for _, name := range names {
		one, known := a.find(name)
		if !(known && one.uid == 0) && !a.admin(name) && !slices.Contains(some, name) {
			some = append(some, name)
		}
	}
	slices.Sort(some)
	return some
}

// hasShell reports whether a login of this account ends in a shell. What is in no list of shells may be one all the same.
func (one account) hasShell() bool {
	switch path.Base(one.shell) {
	case "nologin", "false", "true", "sync", "halt", "shutdown", "forkgate":
		return false
	}
	return true
}

// forced reports whether an account is one that leads to forkgate session whatever sshd is told to start: its login shell does nothing else.
func forced(one account, inGroup bool) bool {
	return inGroup && one.uid != 0 && path.Base(one.shell) == "forkgate"
}
