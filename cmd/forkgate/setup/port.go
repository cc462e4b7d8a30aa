package setup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// sshPort is what clients go to who are told nothing, and where sshd goes when the gate has it.
const sshPort = 22

// SSHD is where sshd listens when the gate has its port: on the host itself alone.
var SSHD = netip.MustParseAddrPort("127.0.0.1:2222")

// firstLogin and secondLogin are how long somebody has to log in: before the port changes, and through it.
const firstLogin, secondLogin = 15 * time.Minute, 5 * time.Minute

// Ports has the gate and sshd change places; cmd/forkgate/doors does.
type Ports interface {
	Taken() bool
	// Take is taken back by itself after patience, unless Keep is called.
	Take(ctx context.Context, port uint16, sshd netip.AddrPort, patience time.Duration) error
	Keep(ctx context.Context) error
}

func portThere(_ context.Context, h *Host) string {
	if h.Ports.Taken() {
		return fmt.Sprintf("the gate has port %d", sshPort)
	}
	return ""
}

func askPort(ctx context.Context, h *Host, asker Asker, a *Answers) (err error) {
	if !a.Port {
		a.Port, err = asker.Confirm(ctx, fmt.Sprintf("Is the gate to have port %d? Your host's sshd then listens at %s alone: who is to be on the host itself comes by the console, or from there (%s). "+
			"That is done when somebody has logged in through the gate, and taken back unless somebody does so again", sshPort, SSHD, fromTheHost()), false)
	}
	if err == nil && a.Port {
		err = askWhoLogsIn(ctx, h, asker, a)
	}
	return err
}

// askWhoLogsIn wants a principal: of anybody else no login would be seen. Whose it is has to be said where there are several, as the operator's is what
// counts, and an agent's shows nothing.
func askWhoLogsIn(ctx context.Context, h *Host, asker Asker, a *Answers) error {
	if len(a.keys) > 0 {
		return nil // that principal is made by this setup
	}
	names, err := h.Principals()
	if err != nil {
		return fmt.Errorf("cannot tell who may log in: %w", err)
	}
	if len(names) == 0 {
		return fmt.Errorf("%w: the policy has no principal", errWho)
	}
	var proposed string
	if me := loginName(); slices.Contains(names, me) {
		proposed = me
	} else if len(names) == 1 {
		proposed = names[0]
	}
	return ask(ctx, asker, &a.Principal, "whose login is to show that the gate lets people in", proposed, func(who string) error {
		switch {
		case slices.Contains(names, who):
			return nil
		case who == "":
			return fmt.Errorf("%w: name one of %s; the flag is --principal", errWho, strings.Join(names, ", "))
		}
		return fmt.Errorf("%w: %q is no principal, but %s", errWho, who, strings.Join(names, ", "))
	})
}

// errWho is why nobody's login is waited for.
var errWho = errors.New("whose login is to be waited for")

// takePort is for hosts whose gate was seen to let somebody in, and keeps the port only when it does so there.
func takePort(ctx context.Context, h *Host, a Answers) error {
	if !a.Port {
		fmt.Fprintln(h.Out, "the gate listens on port 2222, beside sshd; later: forkgate setup --port-22")
		return nil
	}
	if err := h.seen(ctx, a.Principal); err != nil {
		return err
	}
	fmt.Fprintf(h.Out, "the gate takes port %d, and sshd goes to %s\n", sshPort, SSHD)
	if err := h.Ports.Take(ctx, sshPort, SSHD, secondLogin+time.Minute); err != nil {
		return err
	}
	there := time.Now() // who came while they changed places may have come by the old one
	fmt.Fprintf(h.Out, "waiting until %s logs in there, for %s; else all is as it was: ssh gate@THIS-HOST whoami\n", a.Principal, secondLogin)
	if err := h.login(ctx, a.Principal, there, secondLogin); err != nil {
		return errors.Join(err, h.rollback(ctx))
	}
	return h.Ports.Keep(ctx)
}

// seen waits until the gate has let a principal in: it may have, before.
func (h *Host) seen(ctx context.Context, who string) error {
	ssh := "ssh -p 2222"
	if h.Ports.Taken() {
		ssh = "ssh"
	}
	fmt.Fprintf(h.Out, "waiting until %s logs in through the gate, for %s: %s gate@THIS-HOST whoami\n", who, firstLogin, ssh)
	return h.login(ctx, who, time.Time{}, firstLogin)
}

// errNobodyCame is why a port stays where it is.
var errNobodyCame = errors.New("nobody has logged in through the gate")

// login waits until the record has a principal who was let in after a moment.
func (h *Host) login(ctx context.Context, who string, after time.Time, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errNobodyCame)
	defer cancel()
	if err := h.Login(ctx, who, after); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	fmt.Fprintf(h.Out, "%s has logged in\n", who)
	return nil
}
