package doors

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// sshdGate says why sshd does not ask the gate; empty: it does. UsePAM is of the whole, and no Match block changes it.
func (h *Host) sshdGate(ctx context.Context) string {
	s, err := h.sshd(ctx, anybody())
	switch {
	case err != nil:
		return err.Error()
	case !s.is("usepam", "yes"):
		return "sshd does not ask PAM (UsePAM no)"
	}
	if why := h.sshdOptions(ctx); why != "" {
		return why
	}
	if why := h.otherService(ctx); why != "" {
		return why
	}
	return h.gate(sshdService)
}

// harmless are options of sshd(8) by which its configuration is what sshd -T says: in the foreground, its log, the family of its addresses, and a connection's own.
var harmless = []string{"-D", "-e", "-R", "-4", "-6"}

// sshdOptions says of sshd's processes that listen, and of what their unit reads, by what other options they are started.
func (h *Host) sshdOptions(ctx context.Context) string {
	all, err := h.listeners()
	if err != nil {
		return err.Error()
	}
	ours, started := h.own(ctx), map[string][]string{}
	for _, l := range all {
		if l.pid == 1 || !ours.isSSHD(l) {
			continue
		}
		file := fmt.Sprintf("proc/%d/cmdline", l.pid)
		text, _, err := h.read(file)
		// Its title: sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups
		text, _, _ = strings.Cut(strings.TrimPrefix(strings.ReplaceAll(text, "\x00", " "), "sshd: "), " [listener]")
		words := strings.Fields(text)
		if err != nil || len(words) == 0 {
			return fmt.Sprintf("how sshd was started cannot be seen in /%s", file)
		}
		started[file] = words[1:]
	}
	for _, file := range []string{"etc/default/ssh", "etc/sysconfig/sshd"} {
		text, _, err := h.read(file)
		if err != nil {
			return err.Error()
		}
		for _, line := range lines(text) {
			key, value, _ := strings.Cut(strings.TrimPrefix(line, "export "), "=")
			if key == "SSHD_OPTS" || key == "OPTIONS" {
				started[file] = strings.Fields(strings.Trim(value, `"'`))
			}
		}
	}
	for _, file := range slices.Sorted(maps.Keys(started)) {
		for _, option := range started[file] {
			if !slices.Contains(harmless, option) {
				return fmt.Sprintf("sshd is started with %s (/%s), and sshd -T does not know of that", strings.Join(started[file], " "), file)
			}
		}
	}
	return ""
}

const serviceName = "PAMServiceName"

// otherService says by what other name than that of the gate's stack sshd asks PAM, as OpenSSH from 9.8 on can, for some connections or for all. Where there are Match
// blocks that are not understood, none may have a word of it.
func (h *Host) otherService(ctx context.Context) string {
	all, err := h.every(ctx, "")
	if err != nil {
		if text, wrong := h.sshdText(sshdConfig, 0); wrong == nil && !strings.Contains(strings.ToLower(text), strings.ToLower(serviceName)) {
			return ""
		}
		return err.Error()
	}
	for _, s := range all {
		if name := s[strings.ToLower(serviceName)]; len(name) > 0 && (len(name) > 1 || name[0] != sshdService) {
			return fmt.Sprintf("sshd asks PAM for another service (%s %s)", serviceName, strings.Join(name, ", "))
		}
	}
	return ""
}

func sshdProbe(ctx context.Context, h *Host) finding {
	if !h.sshdThere() {
		return closed("there is no /%s", sshdProgram)
	}
	s, err := h.sshd(ctx, anybody())
	if err != nil {
		return open("sshd -t", "%v", err)
	}
	at := "port " + strings.Join(s["port"], ", ")
	if addresses := s["listenaddress"]; len(addresses) > 0 { // which has the port, whatever Port says
		at = strings.Join(addresses, ", ")
	}
	why, do := h.sshdGate(ctx), ""
	if strings.HasPrefix(why, "sshd is started with") {
		do = "put those options into /etc/ssh/sshd_config instead, and systemctl restart sshd"
	}
	if strings.Contains(why, serviceName) {
		do = "take " + serviceName + " out of /etc/ssh/sshd_config and what that includes, and then: forkgate doors --close sshd"
	}
	if why != "" {
		return open(do, "%s: %s", at, why)
	}
	return gated("%s: who is in %s, and who is in %s into forkgate session", at, AdminGroup, AccountsGroup)
}
