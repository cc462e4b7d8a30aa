package doors

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// gateLines are what the account stack of a service begins with (pam.conf(5)). Whom forkgate pam lets in has passed. Should it refuse, fail or be gone, PAM itself
// lets admins in, and nobody else: so that no bug, no full disk and no package that is removed locks the admins out. On the console root has passed as well;
// a terminal that a network service has made is none.
func gateLines(service, program string) []string {
	admins := "account [success=1 default=ignore] pam_succeed_if.so quiet user ingroup " + AdminGroup
	deny := "account requisite pam_deny.so"
	if service != console {
		return []string{"account [success=2 default=ignore] pam_exec.so quiet stdout " + program + " pam", admins, deny}
	}
	return []string{
		"account [success=3 default=ignore] pam_exec.so quiet stdout " + program + " pam", strings.Replace(admins, "success=1", "success=2", 1),
		"account [success=1 default=ignore] pam_succeed_if.so quiet uid = 0 tty !~ *pts*", deny,
	}
}

// Services of PAM in whose stacks the gate is. su and cron are none: they let nobody onto the host who is not there, and would lock admins out.
const (
	sshdService = "sshd"
	console     = "login"
)

// gateBlock is what goes to the beginning of the service's file.
func gateBlock(service, program string) string {
	return "# " + mark + "\n" + strings.Join(gateLines(service, program), "\n") + "\n"
}

// mark is in all that Close writes.
const mark = "forkgate doors --close wrote this, and forkgate doors --undo takes it back."

// gate says why a service's account stack does not begin with the gate; empty: it does.
func (h *Host) gate(service string) string {
	text, ok, err := h.read("etc/pam.d/" + service)
	if !ok {
		return fmt.Sprintf("/etc/pam.d/%s cannot be read: %v", service, err)
	}
	var stack []string
	want := gateLines(service, h.Program)
	for _, line := range lines(text) {
		// PAM takes the type in capitals as well (strcasecmp in libpam/pam_handlers.c).
		if f := strings.Fields(line); strings.EqualFold(strings.TrimPrefix(f[0], "-"), "account") || strings.HasPrefix(f[0], "@") {
			stack = append(stack, strings.Join(f, " "))
		}
	}
	if len(stack) < len(want) || !slices.Equal(stack[:len(want)], want) {
		return "the account stack of /etc/pam.d/" + service + " does not begin with forkgate pam"
	}
	return ""
}

func pamWays() []way {
	return []way{
		{name: "console", why: "who has a password of any account gets a shell at the machine itself, or at what shows its screen", probe: consoleProbe, shut: closeConsole},
		{name: "passwords", why: "a password can be guessed, and is known to agents that read files", probe: passwordsProbe, shut: closeConsole},
		{name: "desktops", why: "display managers and remote desktops have account stacks of their own, which do not ask forkgate", probe: desktopsProbe},
	}
}

func closeConsole(_ context.Context, h *Host) ([]step, error) { return gateStep(h, console) }

// gateStep puts the gate before all that is in a service's file.
func gateStep(h *Host, service string) ([]step, error) {
	file := "/etc/pam.d/" + service
	text, ok, err := h.read(file[1:])
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read %s: %w", file, err)
	case !ok:
		return nil, fmt.Errorf("there is no %s: this host has its PAM elsewhere", file)
	case h.gate(service) == "":
		return nil, nil
	case h.module("pam_exec.so") == "" || h.module("pam_succeed_if.so") == "":
		return nil, fmt.Errorf("PAM has no pam_exec.so or no pam_succeed_if.so here")
	}
	block := gateBlock(service, h.Program)
	return []step{{path: file, text: block + text, was: text, block: block}}, nil
}

// module is where one of PAM's lies: a stack that names one that is not there lets nobody in.
func (h *Host) module(name string) string {
	for _, dir := range []string{"lib", "usr/lib", "lib64", "usr/lib64"} {
		entries, _ := h.list(dir)
		for _, place := range append([]string{dir}, entries...) {
			if found := h.exists(place + "/security/" + name); found != "" {
				return found
			}
		}
	}
	return ""
}

func consoleProbe(ctx context.Context, h *Host) finding {
	if h.exists("bin/login", "usr/bin/login") == "" {
		return closed("there is no login")
	}
	units, err := h.units(ctx, "getty@*.service", "serial-getty@*.service", "console-getty.service", "container-getty@*.service", "autovt@*.service")
	if err != nil {
		return open("systemctl status", "systemd does not answer: %v", err)
	}
	for _, u := range units {
		if why := unasked(u["ExecStart"]); why != "" {
			return open("systemctl edit --full "+u["Id"]+", to what its package has", "%s %s", u["Id"], why)
		}
	}
	if file, why := h.unaskedLater(); why != "" {
		return open("take it out of "+file, "%s: %s", file, why)
	}
	if why := h.gate(console); why != "" {
		return open("", "%s", why)
	}
	return gated("root, and who is in %s", AdminGroup)
}

// passwordsProbe looks for accounts that are nobody's whom the gate lets in, and have a password and a shell.
func passwordsProbe(ctx context.Context, h *Host) finding {
	a, err := h.accounts()
	if err != nil {
		return open("look at it", "%v", err)
	}
	var who, twins, blank []string
	for _, one := range a.all {
		switch {
		case one.blank && (one.uid == 0 || a.admin(one.name)): // whatever its shell is: su takes another
			blank = append(blank, one.name)
		case !one.password || !one.hasShell():
		case one.uid != 0:
			who = append(who, one.name)
		case one.name != "root" && !a.admin(one.name):
			twins = append(twins, one.name)
		}
	}
	who = a.strangers(who)
	if a.elsewhere != "" {
		who = append(who, "those of "+a.elsewhere)
	}
	switch {
	case len(blank) > 0:
		return open("passwd "+blank[0]+", or passwd --lock "+blank[0], "that of %s is empty: su and the console ask for none", some(blank))
	case len(twins) > 0:
		return open("passwd --lock "+twins[0], "%s: root by another name, whom the console lets in", some(twins))
	case len(who) == 0:
		return closed("nobody but root and %s has one", AdminGroup)
	case h.gate(console) != "":
		return open("", "%s, and the console asks for no group", some(who))
	}
	if h.sshdGate(ctx) != "" && h.sshdThere() {
		return open("forkgate doors --close sshd console", "%s, and sshd asks for no group", some(who))
	}
	return gated("%s, whom neither console nor sshd lets in", some(who))
}

func desktopsProbe(_ context.Context, h *Host) finding {
	var found []string
	for _, name := range []string{
		"gdm-password", "gdm-autologin", "gdm-fingerprint", "gdm-smartcard", "lightdm", "lightdm-autologin", "sddm", "sddm-autologin", "xdm", "lxdm", "wdm", "kde", "slim", "greetd",
		"xrdp-sesman", "cockpit", "remote", "rlogin", "rsh", "rexec", "telnet", "vsftpd", "proftpd", "pure-ftpd", "ftp", "webmin", "x2goserver",
	} {
		if h.exists("etc/pam.d/"+name, "usr/lib/pam.d/"+name) != "" && h.gate(name) != "" {
			found = append(found, name)
		}
	}
	if len(found) > 0 {
		return open("remove what is not needed, or begin its account stack with: "+strings.Join(gateLines(found[0], h.Program), "; "), "PAM has stacks of %s", some(found))
	}
	return closed("PAM has no stack of one")
}
