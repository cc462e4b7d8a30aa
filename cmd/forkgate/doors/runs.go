package doors

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// interpreters run a file that need not be executable.
var interpreters = []string{"sh", "bash", "dash", "python", "python3", "perl", "ruby", "php", "node", "env"}

// runs is what this host's own units, rc.local and crontabs have root run, by absolute names, with where that is written. Packages' own programs are root's.
func (h *Host) runs() (map[string]string, error) {
	all := map[string]string{}
	for _, unit := range h.ownUnits() {
		if err := h.note(all, unit, unitCommand); err != nil {
			return nil, err
		}
	}
	tables, err := h.list("etc/cron.d")
	if err != nil {
		return nil, err
	}
	for _, table := range append(tables, "etc/crontab") {
		if err := h.note(all, table, func(_, line string) string { return cronCommand(line, true) }); err != nil {
			return nil, err
		}
	}
	for _, table := range []string{crontabs + "/root", cronie + "/root"} {
		if err := h.note(all, table, func(_, line string) string { return cronCommand(line, false) }); err != nil {
			return nil, err
		}
	}
	return all, h.note(all, "etc/rc.local", func(_, line string) string { return line })
}

// note adds what a file has root run.
func (h *Host) note(all map[string]string, file string, command func(text, line string) string) error {
	text, _, err := h.read(file)
	if err != nil {
		return err
	}
	for _, line := range lines(text) {
		interpreted := false
		for _, word := range strings.Fields(command(text, line)) {
			word = strings.Trim(word, "\"';()&|")
			name := strings.TrimPrefix(path.Clean(word), "/")
			if info, err := fs.Stat(h.Files, name); path.IsAbs(word) && err == nil && info.Mode().IsRegular() && (info.Mode()&0o111 != 0 || interpreted) {
				all[name] = file
			}
			interpreted = slices.Contains(interpreters, path.Base(word)) || interpreted && strings.HasPrefix(word, "-")
		}
	}
	return nil
}

// unitCommand is what a line of a unit has root run (systemd.service(5)); nothing where the unit runs as somebody else.
func unitCommand(text, line string) string {
	key, value, _ := strings.Cut(line, "=")
	value = strings.TrimSpace(value)
	command := strings.TrimLeft(value, "-@:+!|")
	privileged := strings.ContainsAny(value[:len(value)-len(command)], "+!")
	if !strings.HasPrefix(key, "Exec") || !privileged && slices.ContainsFunc(lines(text), asSomebody) {
		return ""
	}
	return command
}

func asSomebody(line string) bool {
	key, value, _ := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	return key == "User" && value != "" && value != "root" && value != "0" || key == "DynamicUser" && slices.Contains([]string{"yes", "true", "1", "on"}, value)
}

// cronCommand is what a line of a crontab has root run (crontab(5)). The host's own say as whom.
func cronCommand(line string, saysWho bool) string {
	f := strings.Fields(line)
	at := 5 // behind minute, hour, day, month and weekday
	if strings.HasPrefix(line, "@") {
		at = 1
	}
	if saysWho {
		if len(f) <= at || f[at] != "root" {
			return ""
		}
		at++
	}
	return strings.Join(f[min(at, len(f)):], " ")
}

// looseRun are those of them that somebody beside root can write, or put another one in the place of, and by what.
func (h *Host) looseRun() (found []string, by string, err error) {
	all, err := h.runs()
	if err != nil {
		return nil, "", err
	}
	return h.looseNamed(all, "root runs")
}

// looseNamed are those of files that somebody beside root can write, or put another one in the place of; all has where they are named.
func (h *Host) looseNamed(all map[string]string, what string) (found []string, by string, err error) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		files := []string{name}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if info, err := fs.Stat(h.Files, dir); err != nil || info.Mode()&fs.ModeSticky == 0 { // there nobody removes what is root's
				files = append(files, dir)
			}
		}
		loose, err := h.loose(files)
		if err != nil {
			return nil, "", err
		}
		found = withNew(found, loose)
		if by == "" && len(loose) > 0 {
			by = fmt.Sprintf("; %s /%s, by /%s", what, name, all[name])
		}
	}
	return found, by, nil
}
