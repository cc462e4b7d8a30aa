package doors

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

// keys counts the lines of an account's authorized_keys, wherever sshd looks for them. What cannot be read, or counted, might have more, and is an error.
func (h *Host) keys(ctx context.Context, one account) (n int, err error) {
	all, err := h.every(ctx, one.name)
	if err != nil {
		return 0, err
	}
	seen, unseen := map[string]bool{}, error(nil)
	for _, s := range all {
		if s.is("pubkeyauthentication", "no") {
			continue
		}
		if c := strings.Join(s["authorizedkeyscommand"], ""); c != "" && c != "none" {
			unseen = fmt.Errorf("sshd asks %s for keys", c)
		}
		if c := strings.Join(s["trustedusercakeys"], ""); c != "" && c != "none" {
			unseen = fmt.Errorf("sshd takes certificates of who is in %s", c)
		}
		for _, file := range strings.Fields(strings.Join(s["authorizedkeysfile"], " ")) {
			file = strings.NewReplacer("%h", one.home, "%u", one.name, "%U", fmt.Sprint(one.uid), "%%", "%").Replace(file)
			if !path.IsAbs(file) {
				file = path.Join(one.home, file)
			}
			if seen[file] || file == "/none" {
				continue
			}
			seen[file] = true
			text, _, err := h.read(strings.TrimPrefix(path.Clean(file), "/"))
			if err != nil {
				unseen = err
			}
			n += len(lines(text))
		}
	}
	return n, unseen
}

// keysProbe looks for accounts that somebody has a key of, and that are nobody's whom the gate lets in.
func keysProbe(ctx context.Context, h *Host) finding {
	if !h.sshdThere() {
		return closed("there is no sshd")
	}
	a, err := h.accounts()
	if err != nil {
		return open("look at it", "%v", err)
	}
	var who []string
	for _, one := range a.all {
		if !one.hasShell() && !forced(one, slices.Contains(a.members[AccountsGroup], one.name)) {
			continue
		}
		if a.admin(one.name) || forced(one, slices.Contains(a.members[AccountsGroup], one.name)) {
			continue
		}
		n, err := h.keys(ctx, one)
		switch {
		case n > 0:
			who = append(who, one.name)
		case err != nil:
			who = append(who, fmt.Sprintf("%s (%v)", one.name, err))
		}
	}
	if a.elsewhere != "" {
		who = append(who, "those of "+a.elsewhere)
	}
	if careless := h.careless(ctx, a); careless != "" {
		return open("write StrictModes yes into /etc/ssh/sshd_config, before all Match blocks, and: systemctl reload ssh", "sshd takes those of %s from files that others may write (StrictModes no)", careless)
	}
	if len(who) == 0 {
		return closed("nobody but who is in %s has one", AdminGroup)
	}
	if why := h.sshdGate(ctx); why != "" {
		return open("", "of %s, and %s", some(who), why)
	}
	return gated("of %s, whom forkgate pam does not let in", some(who))
}

// careless is somebody whom the gate lets in, and whose keys sshd takes from files whoever may write those (sshd_config(5), StrictModes); empty: nobody.
func (h *Host) careless(ctx context.Context, a accounts) string {
	for _, one := range a.all {
		if !a.admin(one.name) || !one.hasShell() {
			continue
		}
		all, err := h.every(ctx, one.name)
		if err != nil { // where the Match blocks are not understood
			s, unknown := h.sshd(ctx, anybody())
			if all = []settings{s}; unknown != nil {
				return one.name
			}
		}
		for _, s := range all {
			if !s.is("strictmodes", "yes") && !s.is("pubkeyauthentication", "no") {
				return one.name
			}
		}
	}
	return ""
}

// admins are those who can log in once the doors are closed.
type admins struct {
	byKey, byPassword []string
	unseen            error // why there may be more whose keys nobody can count
}

func (h *Host) able(ctx context.Context) (who admins, err error) {
	a, err := h.accounts()
	if err != nil {
		return who, err
	}
	for _, name := range a.members[AdminGroup] {
		one, known := a.find(name)
		if !known || one.expired || !one.hasShell() {
			continue
		}
		switch n, err := h.keys(ctx, one); {
		case !h.sshdThere():
		case n > 0: // those that can be counted are enough
			who.byKey = append(who.byKey, name)
		case err != nil:
			who.unseen = err
		}
		if one.password {
			who.byPassword = append(who.byPassword, name)
		}
	}
	return who, nil
}
