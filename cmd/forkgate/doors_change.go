package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"forkgate/cmd/forkgate/doors"
)

func closeDoors(ctx context.Context, out io.Writer, d *doors.Doors, names []string) error {
	if len(names) == 0 {
		names = []string{doors.All}
	}
	done, err := d.Close(ctx, names...)
	if err != nil {
		return err
	}
	return tellOfClosing(ctx, out, d, done)
}

// tellOfClosing says until when a closing waits, and then what it has come to.
func tellOfClosing(ctx context.Context, out io.Writer, d *doors.Doors, done doors.Closing) error {
	if done.Until.IsZero() {
		fmt.Fprintln(out, "nothing to close")
	} else {
		until := done.Until.Local().Format(time.TimeOnly)
		fmt.Fprintf(out, "unless you log in anew, and say: forkgate doors --confirm there, it is taken back at %s, in %v\n", until, max(time.Until(done.Until), 0).Round(time.Second))
		if err := d.Look(ctx, &done); err != nil {
			return fmt.Errorf("%w: what is open all the same was not looked at; forkgate doors does that\nwhat was closed waits all the same, until %s: forkgate doors --undo opens it at once", err, until)
		}
	}
	if len(done.Ways) > 0 {
		fmt.Fprintf(out, "closed: %s\n", strings.Join(done.Ways, ", "))
	}
	if len(done.Left) > 0 {
		fmt.Fprintf(out, "still open, and for you to close: %s\n", strings.Join(done.Left, ", "))
	}
	return nil
}

// undoDoors opens all again, and says what that was.
func undoDoors(ctx context.Context, out io.Writer, d *doors.Doors) error {
	was, err := d.Shut()
	if err != nil {
		return err
	}
	failed := d.Undo(ctx)
	left, err := d.Shut()
	if err != nil {
		return errors.Join(failed, err)
	}
	opened := was.Without(left)
	port := slices.Contains(opened.Ways, doors.PortWay)
	ways := slices.DeleteFunc(opened.Ways, func(way string) bool { return way == doors.PortWay })
	switch {
	case len(ways) > 0:
		fmt.Fprintf(out, "open again, as before: %s\n", strings.Join(ways, ", "))
	case !port && failed == nil:
		fmt.Fprintln(out, "nothing was closed")
	}
	for _, unit := range d.Host.Gone(ctx, opened.Units) {
		fmt.Fprintf(out, "%s is gone since it was stopped, and is not started again\n", unit)
	}
	if port {
		fmt.Fprintln(out, portsSwapped(ctx, d.Host))
	}
	return failed
}

// portsSwapped says who listens where when the gate does not have sshd's port any more.
func portsSwapped(ctx context.Context, h *doors.Host) string {
	sshd, gate, err := h.Ports(ctx)
	if err != nil {
		return fmt.Sprintf("sshd and the gate have the ports again that they had before setup --port-22; which they are cannot be seen: %v", err)
	}
	return fmt.Sprintf("sshd has port %s again, and the gate port %s: who comes by the gate says ssh -p %[2]s from now on", sshd, gate)
}
