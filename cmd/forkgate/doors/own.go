package doors

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// own is what listens that has rows of its own: sshd, and the gate.
type own struct {
	sshd, gate map[string]bool // by port
	units      []string        // by which sshd is started
}

func (h *Host) own(ctx context.Context) own {
	o := own{sshd: map[string]bool{}, gate: map[string]bool{}, units: []string{"ssh.socket", "sshd.socket"}}
	if unit, err := h.sshdUnit(ctx); err == nil {
		o.units = append(o.units, unit)
	}
	if s, err := h.sshd(ctx, anybody()); err == nil {
		ports := s["port"]
		if addresses := s["listenaddress"]; len(addresses) > 0 { // which has the port, whatever Port says
			ports = addresses
		}
		for _, port := range ports {
			o.sshd[port[strings.LastIndex(port, ":")+1:]] = true
		}
	}
	units, _ := h.units(ctx, gateUnit+".socket")
	for _, u := range units {
		for _, port := range regexp.MustCompile(`:(\d+) \(Stream\)`).FindAllStringSubmatch(u["Listen"], -1) {
			o.gate[port[1]] = true
		}
	}
	return o
}

const gateUnit = "forkgate-gate"

// isGate reports whether a listener is the gate: its port, and its units. Anybody may call a program forkgate.
func (o own) isGate(l listener) bool {
	return l.proto == "tcp" && o.gate[fmt.Sprint(l.port)] && (l.service == gateUnit+".socket" && l.pid == 1 || l.service == gateUnit+".service" && l.program == "forkgate")
}

// isSSHD reports whether a listener is the host's sshd. systemd may not say which socket of its own it is.
func (o own) isSSHD(l listener) bool {
	there := slices.Contains(o.units, l.service) && (l.pid == 1 || l.program == "sshd")
	return l.proto == "tcp" && o.sshd[fmt.Sprint(l.port)] && (there || l.pid == 1 && l.service == "")
}

// socketUnit is the unit by which systemd listens at a port; empty where none says so.
func (h *Host) socketUnit(ctx context.Context, l listener) string {
	units, _ := h.units(ctx, "*.socket")
	for _, u := range units {
		if strings.HasSuffix(u["Id"], ".socket") && l.isIn(u["Listen"]) {
			return u["Id"]
		}
	}
	return ""
}

// isIn reports whether a unit's property Listen has a listener: words in pairs, such as [::]:22 (Stream), or vsock::22 (Stream).
func (l listener) isIn(property string) bool {
	words := strings.Fields(property)
	kinds := map[string][]string{"tcp": {"(Stream)"}, "udp": {"(Datagram)"}, "vsock": {"(Stream)", "(SequentialPacket)"}}[l.proto]
	for i := range max(len(words), 1) - 1 {
		ofVsock := strings.HasPrefix(words[i], "vsock")
		if ofVsock == (l.proto == "vsock") && strings.HasSuffix(words[i], fmt.Sprintf(":%d", l.port)) && slices.Contains(kinds, words[i+1]) {
			return true
		}
	}
	return false
}

// generated is the unit that systemd makes of itself where a host has vsock (systemd-ssh-generator(8)): it starts sshd, which asks PAM as for any other
// connection, and has rows of its own. What of that unit is this host's own may start anything.
const generated = "sshd-vsock.socket"

func (h *Host) isGenerated(l listener) bool {
	if l.proto != "vsock" || l.pid != 1 || l.service != generated || l.port != 22 || h.exists("run/systemd/generator/"+generated) == "" {
		return false
	}
	for _, dir := range []string{"etc/systemd/system", "run/systemd/system", "etc/systemd/system.control", "run/systemd/system.control", "run/systemd/transient", "run/systemd/generator.early"} {
		units, err := h.list(dir)
		for _, unit := range units {
			if err != nil || strings.HasPrefix(path.Base(unit), "sshd-vsock") {
				return false
			}
		}
	}
	return true
}
