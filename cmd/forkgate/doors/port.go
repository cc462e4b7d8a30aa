package doors

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"forkgate/gate"
)

// PortWay names what TakePort does, in the ledger.
const PortWay = "port"

// gateSocket is the drop-in that has the gate listen at another port.
const gateSocket = "/etc/systemd/system/forkgate-gate.socket.d/port.conf"

// PortTaken reports whether the gate has a port of its host's sshd, for good: not while that waits to be confirmed.
func (d *Doors) PortTaken() (bool, error) {
	b, err := d.openBook()
	if err != nil {
		return false, err
	}
	defer b.close()
	waits := b.Pending != nil && slices.ContainsFunc(b.Changes[min(b.Pending.First, len(b.Changes)):], func(c change) bool { return c.Way == PortWay })
	return !waits && d.PortHeld(), nil
}

// PortHeld reports whether the gate has a port of its host's sshd now, for good or not.
func (d *Doors) PortHeld() bool { return d.Host.exists(gateSocket[1:]) != "" }

// TakePort has the gate listen at a port that sshd has, and sshd at one address alone, such as 127.0.0.1:2222. Unless Keep is called in time, systemd takes it
// back, as with Close. Connections that sshd has go on; those of the gate end.
func (d *Doors) TakePort(ctx context.Context, port uint16, sshd netip.AddrPort) (until time.Time, err error) {
	b, err := d.nothingPending(ctx)
	if err != nil {
		return until, err
	}
	defer b.close()
	steps, err := d.Host.portSteps(ctx, port, sshd)
	if err != nil {
		return until, err
	}
	if err := d.begin(ctx, b); err != nil {
		return until, err
	}
	err = d.applyAll(ctx, b, PortWay, steps)
	if err == nil {
		err = d.Host.listensOnlyAt(ctx, sshd)
	}
	if err != nil {
		return until, errors.Join(err, d.end(ctx, b, b.Pending.First))
	}
	return b.Pending.Until, b.awaitConfirmation()
}

// Keep keeps what waits to be confirmed. It is for who has seen by himself that people still get in; the operator says Confirm.
func (d *Doors) Keep(ctx context.Context) error {
	b, err := d.openBook()
	if err != nil {
		return err
	}
	defer b.close()
	if b.Pending == nil || b.Pending.Ticks == 0 || time.Now().After(b.Pending.Until) {
		return &gate.Refusal{Reason: "what was not confirmed in time is taken back", Hint: "forkgate doors"}
	}
	return d.keep(ctx, b)
}

// portSteps are what has sshd and the gate change places. Both take their new ones when the old are free: the gate goes first, and comes last.
func (h *Host) portSteps(ctx context.Context, port uint16, sshd netip.AddrPort) ([]step, error) {
	now, err := h.sshd(ctx, anybody())
	if err != nil {
		return nil, err
	}
	if !now.is("port", fmt.Sprint(port)) {
		return nil, &gate.Refusal{Reason: fmt.Sprintf("sshd listens on port %s, and not on %d", strings.Join(now["port"], ", "), port), Hint: "sshd -T | grep -i port"}
	}
	units, err := h.units(ctx, "ssh.socket", "sshd.socket")
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(units, func(u unit) bool { return u["ActiveState"] == "active" }); i >= 0 {
		socket := units[i]["Id"]
		return nil, &gate.Refusal{
			Reason: "systemd listens for sshd here, by " + socket,
			Hint:   fmt.Sprintf("systemctl disable --now %s && systemctl enable --now %s.service, and then again", socket, strings.TrimSuffix(socket, ".socket")),
		}
	}
	files, err := dropIn("port", fmt.Sprintf("ListenAddress %s\n", sshd))(ctx, h)
	if err != nil {
		return nil, err
	}
	// Of those steps the files count: a reload would have sshd look for its new place while the gate is still there.
	files = slices.DeleteFunc(files, func(s step) bool { return s.path == "" })
	unit, err := h.sshdUnit(ctx)
	if err != nil {
		return nil, err
	}
	gateUnit, err := h.units(ctx, "forkgate-gate.socket")
	if err != nil {
		return nil, err
	}
	places := changePlaces(unit, len(gateUnit) == 1 && gateUnit[0]["ActiveState"] == "active")
	socket := fmt.Sprintf("# %s\n[Socket]\nListenStream=\nListenStream=%d\n", mark, port)
	return slices.Concat([]step{{undo: places}}, files, []step{
		{path: gateSocket, text: socket, mode: 0o644}, {do: []string{"sshd", "-t"}}, {do: places},
	}), nil
}

// changePlaces restarts both, so that none finds the other where it is to be. Whatever becomes of sshd the gate is started again, if it ran when its port was
// taken: a host that has neither has no door at all. At boot, when all is taken back before either starts, there is nothing to restart, and nothing to wait for.
// A sshd that has failed is none that was not started.
func changePlaces(sshd string, gateRan bool) []string {
	script := `systemctl daemon-reload || exit
gate=$(systemctl is-active forkgate-gate.socket); sshd=$(systemctl is-active "$0")
case $sshd/$gate in inactive/inactive | unknown/inactive | inactive/unknown | unknown/unknown) exit 0 ;; esac
systemctl stop forkgate-gate.socket forkgate-gate.service
failed=0
case $sshd in inactive | unknown) ;; *) systemctl reset-failed "$0"; systemctl restart "$0" || failed=$? ;; esac
`
	if gateRan {
		script += "systemctl start forkgate-gate.socket && systemctl --no-block start forkgate-gate.service || failed=$?\n"
	}
	return []string{"sh", "-c", script + "exit $failed", sshd}
}

// listensOnlyAt refuses a host whose configuration has sshd listen elsewhere as well: addresses add up.
func (h *Host) listensOnlyAt(ctx context.Context, sshd netip.AddrPort) error {
	now, err := h.sshd(ctx, anybody())
	if err != nil {
		return err
	}
	if !now.is("listenaddress", sshd.String()) {
		return &gate.Refusal{Reason: "sshd listens at " + strings.Join(now["listenaddress"], ", ") + " as well", Hint: "take ListenAddress out of /etc/ssh/sshd_config"}
	}
	return nil
}
