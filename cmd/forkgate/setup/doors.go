package setup

import (
	"context"
	"errors"
	"fmt"
)

// confirmation is how long a closing waits to be confirmed that setup has begun: somebody has to log in anew meanwhile.
const confirmation = "5m"

// Doors are the other ways onto the host; cmd/forkgate/doors knows them, and forkgate doors closes them.
type Doors interface {
	// Kept reports whether some were closed, for good.
	Kept() bool
	// Settled waits until no closing waits to be confirmed, and reports whether the one that did was kept.
	Settled(ctx context.Context) (kept bool, err error)
}

func doorsThere(_ context.Context, h *Host) string {
	if h.Doors.Kept() {
		return "closed; forkgate doors lists what is open all the same"
	}
	return ""
}

func askDoors(ctx context.Context, h *Host, asker Asker, a *Answers) (err error) {
	if !a.Doors {
		a.Doors, err = asker.Confirm(ctx, "Are the other ways onto this host to be closed, to all but the group forkgate-admin and root at the console? "+
			"That is done when somebody has logged in through the gate, and taken back unless you confirm it in a new login", false)
	}
	if err == nil && a.Doors {
		err = askWhoLogsIn(ctx, h, asker, a)
	}
	return err
}

// errTakenBack is why the other ways are open still.
var errTakenBack = errors.New("nobody has confirmed it, and all is as it was")

// closeDoors is for hosts whose gate was seen to let somebody in: who has no other way any more needs that one.
func closeDoors(ctx context.Context, h *Host, a Answers) error {
	if !a.Doors {
		fmt.Fprintln(h.Out, "they are as they were, and forkgate doors lists them; later: forkgate setup --doors")
		return nil
	}
	if err := h.seen(ctx, a.Principal); err != nil {
		return err
	}
	if err := h.forkgate(ctx, "doors", "--close", "--patience", confirmation); err != nil {
		return h.orTakenBack(ctx, err)
	}
	fmt.Fprintf(h.Out, "waiting until you confirm it: from another terminal log in to this host itself, as you will from now on%s, and say: sudo forkgate doors --confirm\n", h.byWhichWay())
	switch kept, err := h.Doors.Settled(ctx); {
	case err != nil:
		return h.orTakenBack(ctx, err)
	case !kept:
		return errTakenBack
	}
	return nil
}

// orTakenBack is for who does not wait until a closing is confirmed: it would be taken back some minutes later, and be in the way of another until then.
func (h *Host) orTakenBack(ctx context.Context, err error) error {
	if ctx.Err() == nil { // a closing that fails by itself has been taken back
		return err
	}
	return errors.Join(err, h.rollback(ctx))
}

// rollback takes back what waits to be confirmed. Nobody interrupts that: half of it would be neither what was nor what is to be.
func (h *Host) rollback(ctx context.Context) error {
	fmt.Fprintln(h.Out, "it is taken back now, and another ^C does not end that")
	return h.forkgate(context.WithoutCancel(ctx), "doors", "--rollback")
}

// byWhichWay is how one comes to the host itself when sshd's port is the gate's.
func (h *Host) byWhichWay() string {
	if !h.Ports.Taken() {
		return ""
	}
	return " (at the console, or on this host: " + fromTheHost() + ")"
}

func fromTheHost() string { return fmt.Sprintf("ssh -p %d YOU@%s", SSHD.Port(), SSHD.Addr()) }
