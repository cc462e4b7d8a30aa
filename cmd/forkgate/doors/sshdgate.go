package doors

import (
	"context"
	"fmt"
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
	if why := h.otherService(ctx); why != "" {
		return why
	}
	return h.gate(sshdService)
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
	if strings.Contains(why, serviceName) {
		do = "take " + serviceName + " out of /etc/ssh/sshd_config and what that includes, and then: forkgate doors --close sshd"
	}
	if why != "" {
		return open(do, "%s: %s", at, why)
	}
	return gated("%s: who is in %s, and who is in %s into forkgate session", at, AdminGroup, AccountsGroup)
}
