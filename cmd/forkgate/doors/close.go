package doors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/gate"
)

// StateDir is where the ledger lies, by default: it outlives a reboot.
const StateDir = "/var/lib/forkgate/doors"

// Patience is how long a closing waits to be confirmed, by default.
const Patience = time.Minute

// All is a word for every way that is open and can be closed without being named.
const All = "all"

// Doors closes ways, and takes that back.
type Doors struct {
	Host     *Host
	State    string        // directory of the ledger
	Patience time.Duration // until a closing is taken back that nobody has confirmed
	Except   []string      // ways that All leaves as they are
	Root     string        // where / is; empty but in tests
	Proc     fs.FS         // /proc
	Queue    time.Duration // how long another process is waited for that has the ledger
}

// New is for the host that this process runs on.
func New() *Doors {
	return &Doors{Host: Here(), State: StateDir, Patience: Patience, Proc: os.DirFS("/proc"), Queue: 10 * time.Second}
}

// Closing says what Close has done.
type Closing struct {
	Ways  []string  // whose closing waits to be confirmed
	Left  []string  // that are open, and for the operator: by hand, or by name
	Until time.Time // when it is taken back unless it is confirmed; zero: nothing was changed
}

// Close closes ways by their names, or All. Unless it is confirmed in time, systemd takes it back. When it fails nothing is changed. It refuses where
// nobody would be left who can come in. Of All a way that cannot be closed is left as it is.
func (d *Doors) Close(ctx context.Context, names ...string) (Closing, error) {
	b, err := d.nothingPending(ctx)
	if err != nil {
		return Closing{}, err
	}
	defer b.close()
	chosen, done, err := d.choose(ctx, names)
	if err == nil {
		chosen, err = d.ahead(ctx, chosen, names, &done)
	}
	if err == nil && len(chosen) > 0 {
		err = d.somebodyIsLeft(ctx, chosen)
	}
	if ctx.Err() != nil { // what was asked meanwhile has no answer, which would read as a refusal
		return Closing{}, fmt.Errorf("%w, and nothing was changed", ErrInterrupted)
	}
	if err != nil {
		return Closing{}, err
	}
	if len(chosen) == 0 {
		return done, nil
	}
	if err := d.begin(ctx, b); err != nil {
		return Closing{}, ofInterruption(ctx, err)
	}
	if err := d.shutAll(ctx, b, chosen, names, &done); err != nil {
		return Closing{}, errors.Join(ofInterruption(ctx, err), d.end(ctx, b, b.Pending.First))
	}
	if len(done.Ways) == 0 {
		return done, d.end(ctx, b, b.Pending.First)
	}
	done.Until = b.Pending.Until
	return done, b.awaitConfirmation()
}

// shutAll closes ways. One that was not named may fail, but for an interruption: who wants no more has none of it.
func (d *Doors) shutAll(ctx context.Context, b *book, chosen []way, names []string, done *Closing) error {
	for _, w := range chosen {
		first := len(b.Changes)
		err := d.shut(ctx, b, w)
		if err != nil && ctx.Err() == nil && !slices.Contains(names, w.name) {
			if wrong := d.takeBack(ctx, b, first); !errors.Is(wrong, errLater) {
				done.leave(w, errors.Join(err, wrong))
				continue
			}
		}
		if err != nil {
			return err
		}
		done.Ways = append(done.Ways, w.name)
	}
	return ctx.Err()
}

// ErrInterrupted is the error of what who types has ended.
var ErrInterrupted = errors.New("interrupted")

// ofInterruption has what failed by an interruption read as one: all of it is being taken back.
func ofInterruption(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("%w, and what was closed is taken back: %w", ErrInterrupted, err)
}

func (c *Closing) leave(w way, why error) {
	c.Left = append(c.Left, fmt.Sprintf("%s (%v)", w.name, why))
}

// nothingPending opens the ledger for something new.
func (d *Doors) nothingPending(ctx context.Context) (*book, error) {
	b, err := d.openBook()
	if err != nil || b.Pending == nil {
		return b, err
	}
	if d.late(b.Pending) { // and nothing has taken it back
		err = d.end(ctx, b, b.Pending.First)
	} else {
		err = &gate.Refusal{Reason: "a closing waits to be confirmed", Hint: "forkgate doors --confirm, in a new connection; or forkgate doors --undo"}
	}
	if err != nil {
		b.close()
	}
	return b, err
}

// late reports whether nobody can confirm a closing any more.
func (d *Doors) late(p *pending) bool {
	boot, _, err := d.Host.read("proc/sys/kernel/random/boot_id")
	return err != nil || strings.TrimSpace(boot) != p.Boot || time.Now().After(p.Until)
}

// awaitConfirmation says that all is changed: who logs in from now on can confirm it.
func (b *book) awaitConfirmation() error {
	b.Pending.Ticks = ticks()
	return b.write()
}

// Look moves the ways that are open after all to what is left: what is to close one may not be all that opens it. A way that is gone is closed. It may take
// longer than the closing waits: what accounts have at home is looked at. Who interrupts that is told nothing of what is open.
func (d *Doors) Look(ctx context.Context, done *Closing) error {
	var closed, left []string
	now := ways(ctx, d.Host)
	for _, name := range done.Ways {
		if slices.ContainsFunc(now, func(w way) bool { return w.name == name && !w.slow && w.probe(ctx, d.Host).state == Open }) {
			left = append(left, name)
		} else {
			closed = append(closed, name)
		}
	}
	if ctx.Err() != nil { // what does not answer any more seems open
		return ErrInterrupted
	}
	done.Ways, done.Left = closed, append(done.Left, left...)
	return nil
}

// begin has systemd take back what is to come, before anything of it is done.
func (d *Doors) begin(ctx context.Context, b *book) error {
	boot, _, err := d.Host.read("proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	b.Pending = &pending{First: len(b.Changes), Boot: strings.TrimSpace(boot), Until: time.Now().Add(d.Patience).UTC()}
	// Whoever dies in between leaves a timer that finds nothing to take back, rather than a closing that nothing takes back.
	err = d.arm(ctx)
	if err == nil {
		err = b.write()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("nothing is closed, as nothing would take it back: %w", err), d.end(ctx, b, b.Pending.First))
	}
	return nil
}

func (d *Doors) shut(ctx context.Context, b *book, w way) error {
	steps, err := w.shut(ctx, d.Host)
	if err != nil {
		return fmt.Errorf("cannot close %s: %w", w.name, err)
	}
	return d.applyAll(ctx, b, w.name, steps)
}

func (d *Doors) applyAll(ctx context.Context, b *book, way string, steps []step) error {
	for _, s := range steps {
		if err := d.apply(ctx, b, way, s); err != nil {
			return err
		}
	}
	return nil
}

// end takes back what was done from one change on, and forgets that it was pending. Where some of it is still to be taken back a pending closing stays so, which
// nobody can confirm any more, and systemd tries again: a full disk is no reason to leave an admin outside.
func (d *Doors) end(ctx context.Context, b *book, first int) error {
	ctx = context.WithoutCancel(ctx)
	failed := d.takeBack(ctx, b, first)
	if !errors.Is(failed, errLater) {
		b.Pending = nil
	} else if b.Pending != nil {
		b.Pending.First, b.Pending.Ticks = min(first, b.Pending.First), 0
	}
	if err := b.write(); err != nil || b.Pending != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, d.disarm(ctx))
}

// Undo takes back all that was ever closed.
func (d *Doors) Undo(ctx context.Context) error {
	b, err := d.openBook()
	if err != nil {
		return err
	}
	defer b.close()
	return d.end(ctx, b, 0)
}

// Rollback takes back a closing that is not confirmed. It is what systemd runs.
func (d *Doors) Rollback(ctx context.Context) (done bool, err error) {
	b, err := d.openBook()
	if held := (heldError{}); errors.As(err, &held) { // by who hangs, or was stopped: what is closed is not left to him
		_ = held.kill(d.Proc)
		b, err = d.openBook()
	}
	if err != nil {
		return false, err
	}
	defer b.close()
	if b.Pending == nil {
		return false, d.disarm(ctx)
	}
	return true, d.end(ctx, b, b.Pending.First)
}

// ticks is now, as /proc tells when processes have started: in hundredths of a second after boot (proc_pid_stat(5)).
func ticks() uint64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0 // nothing is confirmed then
	}
	return uint64(t.Sec)*100 + uint64(t.Nsec)/10_000_000
}
