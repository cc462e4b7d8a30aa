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
}

// New is for the host that this process runs on.
func New() *Doors {
	return &Doors{Host: Here(), State: StateDir, Patience: Patience, Proc: os.DirFS("/proc")}
}

// Closing says what Close has done.
type Closing struct {
	Ways  []string  // that were closed
	Left  []string  // that are open, and for the operator: by hand, or by name
	Until time.Time // when it is taken back unless it is confirmed; zero: nothing was changed
}

// Close closes ways by their names, or All. Unless it is confirmed in time, systemd takes it back. When it fails nothing is changed. It refuses where
// nobody would be left who can come in.
func (d *Doors) Close(ctx context.Context, names ...string) (Closing, error) {
	b, err := d.nothingPending()
	if err != nil {
		return Closing{}, err
	}
	defer b.close()
	chosen, done, err := d.choose(ctx, names)
	if err != nil || len(chosen) == 0 {
		return done, err
	}
	if err := d.somebodyIsLeft(ctx, chosen); err != nil {
		return Closing{}, err
	}
	if err := d.ahead(ctx, chosen); err != nil {
		return Closing{}, err
	}
	if err := d.begin(ctx, b); err != nil {
		return Closing{}, err
	}
	for _, w := range chosen {
		if err := d.shut(ctx, b, w); err != nil {
			return Closing{}, errors.Join(err, d.end(ctx, b, b.Pending.First))
		}
	}
	d.look(ctx, chosen, &done)
	done.Until = b.Pending.Until
	return done, b.awaitConfirmation()
}

// nothingPending opens the ledger for something new.
func (d *Doors) nothingPending() (*book, error) {
	b, err := openBook(d.State)
	if err == nil && b.Pending != nil {
		b.close()
		err = &gate.Refusal{Reason: "a closing waits to be confirmed", Hint: "forkgate doors --confirm, in a new connection; or forkgate doors --undo"}
	}
	return b, err
}

// awaitConfirmation says that all is changed: who logs in from now on can confirm it.
func (b *book) awaitConfirmation() error {
	b.Pending.Ticks = ticks()
	return b.write()
}

// ahead works out what takes long before the time runs. The others are worked out one after the other: some change the same file.
func (d *Doors) ahead(ctx context.Context, chosen []way) error {
	for i, w := range chosen {
		if !w.slow {
			continue
		}
		steps, err := w.shut(ctx, d.Host)
		if err != nil {
			return fmt.Errorf("cannot close %s: %w", w.name, err)
		}
		chosen[i].shut = func(context.Context, *Host) ([]step, error) { return steps, nil }
	}
	return nil
}

// look says of ways whether they are closed by now: what is to close one may not be all that opens it. A way that is gone is closed.
func (d *Doors) look(ctx context.Context, chosen []way, done *Closing) {
	now := ways(ctx, d.Host)
	for _, w := range chosen {
		still := slices.ContainsFunc(now, func(other way) bool {
			return other.name == w.name && !w.slow && other.probe(ctx, d.Host).state == Open
		})
		if still {
			done.Left = append(done.Left, w.name)
		} else {
			done.Ways = append(done.Ways, w.name)
		}
	}
}

// choose finds the ways that are to be closed.
func (d *Doors) choose(ctx context.Context, names []string) (chosen []way, done Closing, err error) {
	known := ways(ctx, d.Host)
	for _, name := range names {
		if name != All && !slices.ContainsFunc(known, func(w way) bool { return w.name == name }) {
			return nil, done, &gate.Refusal{Reason: fmt.Sprintf("there is no way %q onto this host", name), Hint: "forkgate doors lists them"}
		}
	}
	for _, w := range known {
		named := slices.Contains(names, w.name)
		if !named && (!slices.Contains(names, All) || slices.Contains(d.Except, w.name)) {
			continue
		}
		state := w.probe(ctx, d.Host).state
		switch {
		case named && w.shut == nil:
			return nil, done, &gate.Refusal{Reason: w.name + " is for you to close", Hint: "forkgate doors says how"}
		case state == Open && (w.shut == nil || w.byName && !named):
			done.Left = append(done.Left, w.name)
		case state == Open || named && state == Gated:
			chosen = append(chosen, w)
		}
	}
	return chosen, done, nil
}

// somebodyIsLeft refuses where no admin could come in.
func (d *Doors) somebodyIsLeft(ctx context.Context, chosen []way) error {
	byKey, byPassword, err := d.Host.able(ctx)
	if err != nil {
		return err
	}
	byPasswordAlone := len(byKey) == 0 && slices.ContainsFunc(chosen, func(w way) bool { return strings.HasPrefix(w.name, "ssh") })
	if len(byKey) == 0 && (len(byPassword) == 0 || byPasswordAlone) {
		return &gate.Refusal{
			Reason: "nobody would be left: no account in " + AdminGroup + " has a shell and a key that sshd takes",
			Hint:   "usermod -aG " + AdminGroup + " YOU, with your key in ~YOU/.ssh/authorized_keys",
		}
	}
	return nil
}

// begin has systemd take back what is to come, before anything of it is done.
func (d *Doors) begin(ctx context.Context, b *book) error {
	boot, _, err := d.Host.read("proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	b.Pending = &pending{First: len(b.Changes), Boot: strings.TrimSpace(boot), Until: time.Now().Add(d.Patience).UTC()}
	err = b.write()
	if err == nil {
		err = d.arm(ctx)
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
	b, err := openBook(d.State)
	if err != nil {
		return err
	}
	defer b.close()
	return d.end(ctx, b, 0)
}

// Rollback takes back a closing that is not confirmed. It is what systemd runs.
func (d *Doors) Rollback(ctx context.Context) (done bool, err error) {
	b, err := openBook(d.State)
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
