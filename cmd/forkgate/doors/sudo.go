package doors

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// sudoers is what is to be known of sudoers(5): whom it may let be somebody else. Hosts, commands and negations are not looked at: they only take away.
type sudoers struct {
	aliases map[string][]string // of users
	users   []string            // words of user lists, with where they stand
	last    string              // the last rule of all
	strange string              // what is not understood, and where; empty: nothing
}

// userSpec is the beginning of a rule: a list of users, and then the host's. Words may be quoted or escaped; what is so is not understood.
var userSpec = regexp.MustCompile(`^([^\s=,"\\]+(?:\s*,\s*[^\s=,"\\]+)*)\s+[^=]+=`)

func (h *Host) sudoers() (sudoers, error) {
	s := sudoers{aliases: map[string][]string{}}
	return s, h.sudoersFile(&s, "etc/sudoers", 0)
}

func (h *Host) sudoersFile(s *sudoers, name string, depth int) error {
	text, ok, err := h.read(name)
	if !ok || depth == deepest {
		return fmt.Errorf("cannot read /%s: %v", name, err)
	}
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if err := h.sudoersLine(s, name, strings.TrimSpace(line), depth); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) sudoersLine(s *sudoers, name, line string, depth int) error {
	word, rest, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case word == "@include" || word == "#include" || word == "@includedir" || word == "#includedir":
		files := []string{path.Join("etc", strings.Trim(rest, `"`))}
		if path.IsAbs(rest) {
			files[0] = strings.TrimPrefix(path.Clean(rest), "/")
		}
		if strings.HasSuffix(word, "dir") {
			var err error
			if files, err = h.list(files[0]); err != nil {
				return err
			}
			files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "~") || strings.Contains(path.Base(f), ".") })
		}
		for _, file := range files {
			if err := h.sudoersFile(s, file, depth+1); err != nil {
				return err
			}
		}
	case line == "" || strings.HasPrefix(line, "#") && !regexp.MustCompile(`^#\d`).MatchString(line), strings.HasPrefix(word, "Defaults"):
	case word == "User_Alias":
		for def := range strings.SplitSeq(rest, ":") {
			alias, users, _ := strings.Cut(def, "=")
			s.aliases[strings.TrimSpace(alias)] = fields(users)
		}
	case word == "Host_Alias" || word == "Cmnd_Alias" || word == "Cmd_Alias" || word == "Runas_Alias":
	default:
		m := userSpec.FindStringSubmatch(line)
		if m == nil {
			s.last, s.strange = line, fmt.Sprintf("%.60q in /%s", line, name)
			return nil
		}
		s.users, s.last = append(s.users, fields(m[1])...), line
	}
	return nil
}

func fields(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// mayBe lists who may be somebody else by sudo, and is neither root nor an admin.
func (s sudoers) mayBe(a accounts, users []string, depth int) (who []string) {
	for _, user := range users {
		group, isGroup := strings.CutPrefix(user, "%")
		members, known := a.members[group]
		alias, isAlias := s.aliases[user]
		switch {
		case strings.HasPrefix(user, "!") || isGroup && group == AdminGroup:
		case isAlias && depth < deepest:
			who = append(who, s.mayBe(a, alias, depth+1)...)
		case user == "ALL":
			who = append(who, "everybody")
		case isGroup && known && a.elsewhere == "":
			who = append(who, a.strangers(members)...)
		case isGroup && a.elsewhere == "" && !strings.HasPrefix(group, "#") && !strings.HasPrefix(group, ":"): // a group that there is not
		case strings.HasPrefix(user, "#"):
			if user != "#0" {
				who = append(who, user)
			}
		case isGroup || strings.HasPrefix(user, "+"):
			who = append(who, user)
		default:
			if _, known := a.find(user); known || a.elsewhere != "" {
				who = append(who, a.strangers([]string{user})...)
			}
		}
	}
	return who
}

// denial is the last rule of sudoers once that way is closed: of the rules that fit the last one counts.
const denial = "ALL, !root, !%" + AdminGroup + " ALL = (ALL : ALL) !ALL"

func sudoProbe(_ context.Context, h *Host) finding {
	if h.exists("usr/bin/sudo", "usr/local/bin/sudo", "bin/sudo") == "" {
		return closed("there is no sudo")
	}
	a, err := h.accounts()
	if err != nil {
		return open("look at it", "%v", err)
	}
	s, err := h.sudoers()
	if err != nil {
		return open("visudo -c", "%v", err)
	}
	if text, _, _ := h.read("etc/nsswitch.conf"); sudoersElsewhere(text) {
		return open("take other sources than files from the line sudoers of /etc/nsswitch.conf", "rules come from elsewhere, too")
	}
	if strings.Join(strings.Fields(s.last), " ") == denial {
		return gated("who is in %s, as far as the rules go", AdminGroup)
	}
	who := s.mayBe(a, s.users, 0)
	slices.Sort(who)
	switch who = slices.Compact(who); {
	case s.strange != "":
		return open("", "not understood: %s", s.strange)
	case len(who) > 0:
		return open("", "%s", some(who))
	}
	return gated("root, and who is in %s, as far as the rules go", AdminGroup)
}

func sudoersElsewhere(nsswitch string) bool {
	for _, line := range lines(nsswitch) {
		if rest, ok := strings.CutPrefix(line, "sudoers:"); ok && strings.TrimSpace(rest) != "files" {
			return true
		}
	}
	return false
}

// closeSudo has visudo look at the whole afterwards, where it had no complaint before: it has some of modes that sudo takes.
func closeSudo(ctx context.Context, h *Host) ([]step, error) {
	text, ok, err := h.read("etc/sudoers")
	if !ok {
		return nil, fmt.Errorf("cannot read /etc/sudoers: %v", err)
	}
	was := text
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	block := "# " + mark + "\n" + denial + "\n"
	steps := []step{{path: "/etc/sudoers", text: text + block, was: was, block: block}}
	check := []string{"visudo", "-c", "-q"}
	if _, err := h.Run(ctx, check...); err == nil {
		steps = append(steps, step{do: check})
	}
	return steps, nil
}
