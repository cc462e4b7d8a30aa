package doors

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

func sshdWays() []way {
	return []way{
		{name: "sshd", why: "who logs in by the host's own sshd has a shell beside production, which no policy judges", probe: sshdProbe, shut: closeSSHD},
		{name: "sshd root", why: "root by ssh is everything at once, and nobody's in particular", probe: sshdRootProbe, shut: closeRoot},
		{name: "sshd passwords", why: "a password can be guessed from anywhere", probe: sshdPasswordsProbe,
			shut: dropIn("passwords", "Match all\n    PasswordAuthentication no\n    KbdInteractiveAuthentication no\n")},
		{name: "ssh keys", why: "each line of an authorized_keys is somebody, or an agent that found the key", probe: keysProbe, shut: closeSSHD},
		{name: "forced accounts", why: "an account of " + AccountsGroup + " passes forkgate pam, as it can do nothing but forkgate session", probe: forcedProbe},
	}
}

// sshd's files.
const (
	sshdProgram = "usr/sbin/sshd"
	sshdConfig  = "etc/ssh/sshd_config"
	dropIns     = "/etc/ssh/sshd_config.d/"
)

func (h *Host) sshdThere() bool { return h.exists(sshdProgram) != "" }

// settings are what sshd -T prints for one kind of connection, by keyword in lower case.
type settings map[string][]string

func (s settings) is(key, value string) bool { return slices.Equal(s[key], []string{value}) }

// sshd asks the host's sshd what holds for a connection (sshd(8), -C).
func (h *Host) sshd(ctx context.Context, c connection) (settings, error) {
	argv := []string{"sshd", "-T"}
	for _, key := range slices.Sorted(maps.Keys(c)) {
		argv = append(argv, "-C", key+"="+c[key])
	}
	text, err := h.Run(ctx, argv...)
	if err != nil {
		return nil, err
	}
	s := settings{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		s[key] = append(s[key], value)
	}
	if len(s["port"]) == 0 || len(s["usepam"]) > 1 {
		return nil, fmt.Errorf("sshd -T does not say what was expected of it")
	}
	return s, nil
}

// anybody is a connection that no Match block is about. The port has to be there: sshd -T ends where a block asks for one that it is not told.
func anybody() connection {
	return connection{"user": "nobody", "host": "client.invalid", "addr": "192.0.2.1", "lport": "65535"}
}

// every asks what holds for an account in each kind of connection that the configuration tells apart, and for one that it does not.
func (h *Host) every(ctx context.Context, user string) ([]settings, error) {
	a, err := h.accounts()
	if err != nil {
		return nil, err
	}
	kinds, err := h.connections(a)
	if err != nil {
		return nil, err
	}
	var all []settings
	for _, c := range kinds {
		c = maps.Clone(c)
		if of := c["user"]; len(c) == 1 && user != "" && of != "" && of != user { // the block may name this one beside that, with an address: asked for then
			continue
		}
		if user != "" {
			c["user"] = user
		}
		for key, value := range anybody() {
			if c[key] == "" {
				c[key] = value
			}
		}
		s, err := h.sshd(ctx, c)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// closeSSHD has sshd ask PAM, and PAM the gate.
func closeSSHD(ctx context.Context, h *Host) ([]step, error) {
	steps, err := gateStep(h, sshdService)
	if err != nil {
		return nil, err
	}
	if s, err := h.sshd(ctx, anybody()); err == nil && s.is("usepam", "yes") { // as it is written; sshd may have been started before that
		reload, err := h.reloadSSHD(ctx)
		if err != nil {
			return nil, err
		}
		return append(steps, step{do: []string{"sshd", "-t"}}, step{do: reload()}), nil
	}
	more, err := dropIn("pam", "UsePAM yes\n")(ctx, h)
	return append(steps, more...), err
}

// dropIn writes settings that sshd reads before all others, and takes: of each keyword the first that is read counts, in Match blocks too, and what is in those
// comes before what is not (sshd_config(5)).
func dropIn(name, text string) func(context.Context, *Host) ([]step, error) {
	return func(ctx context.Context, h *Host) ([]step, error) {
		if !h.sshdThere() {
			return nil, nil
		}
		file := dropIns + "00-forkgate-doors-" + name + ".conf"
		config, ok, err := h.read(sshdConfig)
		if !ok {
			return nil, fmt.Errorf("cannot read /%s: %v", sshdConfig, err)
		}
		reload, err := h.reloadSSHD(ctx)
		if err != nil {
			return nil, err
		}
		steps := []step{{undo: reload("--no-block")}, {path: file, text: "# " + mark + "\n" + text}}
		if first := lines(config); len(first) == 0 || !slices.Equal(strings.Fields(first[0]), []string{"Include", dropIns + "*.conf"}) {
			block := "# " + mark + "\nInclude " + file + "\n"
			steps = append(steps, step{path: "/" + sshdConfig, text: block + config, was: config, block: block})
		}
		return append(steps, step{do: []string{"sshd", "-t"}}, step{do: reload()}), nil
	}
}

// closeRoot leaves root alone who is an admin, as where there is no other account: forkgate pam lets that one in, and nobody else.
func closeRoot(ctx context.Context, h *Host) ([]step, error) {
	a, err := h.accounts()
	if err != nil || a.admin("root") {
		return nil, err
	}
	return dropIn("root", "Match all\n    PermitRootLogin no\n")(ctx, h)
}

// reloadSSHD has the unit by which sshd runs take a changed configuration.
func (h *Host) reloadSSHD(ctx context.Context) (func(options ...string) []string, error) {
	unit, err := h.sshdUnit(ctx)
	if err != nil {
		return nil, err
	}
	return func(options ...string) []string {
		return slices.Concat([]string{"systemctl", "try-reload-or-restart"}, options, []string{unit})
	}, nil
}

// sshdUnit finds the unit by which sshd runs.
func (h *Host) sshdUnit(ctx context.Context) (string, error) {
	units, err := h.units(ctx, "ssh.service", "sshd.service")
	if err != nil {
		return "", err
	}
	for _, u := range units {
		if u["LoadState"] == "loaded" {
			return u["Id"], nil
		}
	}
	return "", fmt.Errorf("sshd is started by neither ssh.service nor sshd.service, so that nobody can tell it of a change")
}

func sshdRootProbe(ctx context.Context, h *Host) finding {
	return h.everywhere(ctx, "root", func(s settings) bool { return s.is("permitrootlogin", "no") }, "root logs in")
}

func sshdPasswordsProbe(ctx context.Context, h *Host) finding {
	return h.everywhere(ctx, "", func(s settings) bool {
		return s.is("passwordauthentication", "no") && s.is("kbdinteractiveauthentication", "no")
	}, "passwords are taken")
}

// everywhere says whether something is shut for each kind of connection. Where it is not, the gate is behind it.
func (h *Host) everywhere(ctx context.Context, user string, shut func(settings) bool, what string) finding {
	if !h.sshdThere() {
		return closed("there is no sshd")
	}
	all, err := h.every(ctx, user)
	if err != nil { // whatever its Match blocks say, PAM is asked
		if h.sshdGate(ctx) != "" {
			return open("sshd -t; or look at its Match blocks", "%v", err)
		}
		return gated("forkgate pam lets in who is in %s; %v", AdminGroup, err)
	}
	if !slices.ContainsFunc(all, func(s settings) bool { return !shut(s) }) {
		return closed("in each kind of connection that the configuration tells apart (%d)", len(all))
	}
	if why := h.sshdGate(ctx); why != "" {
		return open("", "%s, and %s", what, why)
	}
	return gated("%s by sshd; forkgate pam lets in who is in %s", what, AdminGroup)
}

func forcedProbe(ctx context.Context, h *Host) finding {
	a, err := h.accounts()
	if err != nil {
		return open("look at it", "%v", err)
	}
	who := slices.Clone(a.members[AccountsGroup])
	if len(who) == 0 || !h.sshdThere() {
		return closed("nobody is in %s", AccountsGroup)
	}
	for _, name := range who {
		one, known := a.find(name)
		switch {
		case !known && a.elsewhere == "":
			continue // and PAM knows none either
		case !forced(one, true):
			return open("usermod --shell "+h.Program+" "+name+", or gpasswd -d "+name+" "+AccountsGroup, "%s has another login shell than forkgate: %s", name, one.shell)
		}
		all, err := h.every(ctx, name)
		if err != nil {
			return open("sshd -t; or look at its Match blocks", "%v", err)
		}
		for _, s := range all {
			f := strings.Fields(strings.Join(s["forcecommand"], " "))
			if len(f) < 2 || path.Base(f[0]) != "forkgate" || f[1] != "session" || !s.is("disableforwarding", "yes") {
				return open("copy /usr/share/doc/forkgate/sshd_config.d/forkgate.conf to "+dropIns+", before what says otherwise", "sshd does not force forkgate session on %s, or forwards for it", name)
			}
		}
	}
	return gated("%s: into forkgate session", some(who))
}
