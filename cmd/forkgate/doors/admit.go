package doors

import (
	"context"
	"fmt"
	"os/user"
	"slices"
	"strings"
)

// Login is what PAM asks about (pam_exec(8)).
type Login struct {
	Type, Service, User, Terminal string
	From                          string // PAM_RHOST: the other host, empty on the console
}

// Identity is what the host knows of an account, from wherever it has its accounts.
type Identity struct {
	Root          bool
	Admin, Forced bool
}

// Identify asks the host.
func Identify(ctx context.Context, h *Host, name string) (Identity, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return Identity{}, err
	}
	gids, err := u.GroupIds()
	if err != nil {
		return Identity{}, err
	}
	in := func(group string) bool {
		g, err := user.LookupGroup(group)
		return err == nil && slices.Contains(gids, g.Gid)
	}
	i := Identity{Root: u.Uid == "0", Admin: in(AdminGroup)}
	if in(AccountsGroup) && !i.Root {
		entry, err := h.Run(ctx, "getent", "passwd", name)
		f := strings.Split(strings.TrimSpace(entry), ":")
		i.Forced = err == nil && len(f) == 7 && forced(account{uid: 1, shell: f[6]}, true)
	}
	return i, nil
}

// Verdict is what becomes of a login. The zero Verdict keeps him out.
type Verdict struct {
	Let bool
	// Glass: he is let in when nothing else works, the record included.
	Glass bool
	Why   string
}

// Admit says who may have what a login leads to. Admins may, and root at the machine itself; an account whose login shell does nothing but forkgate session may
// come by sshd, for that.
func Admit(l Login, i Identity) Verdict {
	switch {
	case l.Type != "account" || l.Service != sshdService && l.Service != console:
		return Verdict{Why: fmt.Sprintf("forkgate pam is for the account stacks of sshd and login, not for %.40q of %.40q", l.Type, l.Service)}
	case i.Admin:
		return Verdict{Let: true, Glass: true, Why: l.User + " is in the group " + AdminGroup}
	case i.Root && l.Service == console && l.From == "":
		return Verdict{Let: true, Glass: true, Why: "root, on the console"}
	case i.Forced && !i.Root && l.Service == sshdService:
		return Verdict{Let: true, Why: l.User + " is in the group " + AccountsGroup + ", and has no shell but forkgate session"}
	}
	return Verdict{Why: l.User + " is not in the group " + AdminGroup}
}
