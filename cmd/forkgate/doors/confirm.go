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

	"forkgate/gate"
	"forkgate/gate/provenance/chain"
)

// unitName is that of the units that take a closing back.
const unitName, bootUnit = "forkgate-doors-rollback", "forkgate-doors-rollback-boot"

// rollback are the units. The timer's service is ordered against nothing, as it restarts what a boot has to wait with: sshd, and the gate. The other one is for
// the next boot, and is done before systemd listens for anybody, by what is there that early.
func (d *Doors) rollback() map[string]string {
	const dir = "/etc/systemd/system/"
	service := `
[Service]
Type=oneshot
ExecStart=` + d.Host.Program + ` doors --rollback
Restart=on-failure
RestartSec=5
`
	return map[string]string{
		dir + unitName + ".service": "# " + mark + "\n[Unit]\nDescription=forkgate: take back what was closed, and not confirmed\n" + service,
		dir + bootUnit + ".service": "# " + mark + `
[Unit]
Description=forkgate: take back what was closed, and not confirmed before the boot
DefaultDependencies=no
RequiresMountsFor=` + d.State + `
After=local-fs.target systemd-remount-fs.service
Before=sockets.target forkgate-gate.socket ssh.service sshd.service getty.target systemd-user-sessions.service
Conflicts=shutdown.target
Before=shutdown.target
` + service,
		dir + unitName + ".timer": fmt.Sprintf("# %s\n[Timer]\nOnActiveSec=%dms\nAccuracySec=50ms\n", mark, d.Patience.Milliseconds()),
	}
}

const wanted = "/etc/systemd/system/multi-user.target.wants/" + bootUnit + ".service"

// arm has systemd take all back: the timer runs before anything is changed, and needs nothing of this process.
func (d *Doors) arm(ctx context.Context) error {
	for name, text := range d.rollback() {
		if err := replace(d.Root+name, []byte(text), func(f *os.File) error { return f.Chmod(0o644) }); err != nil {
			return fmt.Errorf("cannot write %s: %w", name, err)
		}
	}
	if err := os.MkdirAll(d.Root+wanted[:strings.LastIndex(wanted, "/")], 0o755); err != nil {
		return err
	}
	if err := os.Symlink("../"+bootUnit+".service", d.Root+wanted); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncDir(d.Root + wanted); err != nil {
		return err
	}
	for _, argv := range [][]string{{"systemctl", "daemon-reload"}, {"systemctl", "start", unitName + ".timer"}, {"systemctl", "is-active", "--quiet", unitName + ".timer"}} {
		if _, err := d.Host.Run(ctx, argv...); err != nil {
			return err
		}
	}
	return nil
}

// disarm is for what was confirmed, or taken back.
func (d *Doors) disarm(ctx context.Context) error {
	var failed error
	for name := range d.rollback() {
		if err := os.Remove(d.Root + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	if err := os.Remove(d.Root + wanted); err != nil && !errors.Is(err, fs.ErrNotExist) {
		failed = errors.Join(failed, err)
	}
	_ = os.Remove(d.Root + wanted[:strings.LastIndex(wanted, "/")]) // only where it is empty
	// A timer that is not there is one that does not run.
	_, _ = d.Host.Run(ctx, "systemctl", "stop", unitName+".timer")
	_, err := d.Host.Run(ctx, "systemctl", "daemon-reload")
	return errors.Join(failed, err)
}

// Confirm keeps a closing, where it is said through a connection that was made after it: the process's nearest login, sshd's for its connection or login(1),
// has to have started since. That shows that somebody got in and became root through the closed doors, by the way that he came, and nothing of other people and
// other ways.
func (d *Doors) Confirm(ctx context.Context) error {
	b, err := d.openBook()
	if err != nil {
		return err
	}
	defer b.close()
	if b.Pending == nil {
		return &gate.Refusal{Reason: "nothing waits to be confirmed", Hint: "what was not confirmed in time is taken back: forkgate doors"}
	}
	if b.Pending.Ticks == 0 || d.late(b.Pending) {
		return &gate.Refusal{Reason: "that closing is being taken back", Hint: "forkgate doors --close, once more"}
	}
	if err := since(d.Proc, os.Getpid(), b.Pending.Ticks); err != nil {
		return &gate.Refusal{Reason: "this is no new connection: " + err.Error(), Hint: "log in anew, outside of tmux and screen, and say it there; this one may be open because it was open before"}
	}
	return d.keep(ctx, b)
}

// Kept reports whether ways were closed for good: not while that waits to be confirmed. A port that the gate has is none of them.
func (d *Doors) Kept() (bool, error) {
	b, err := d.openBook()
	if err != nil {
		return false, err
	}
	defer b.close()
	return b.Pending == nil && slices.ContainsFunc(b.Changes, func(c change) bool { return c.Way != PortWay }), nil
}

// Settled waits until no closing waits to be confirmed. It reports whether the one that did was kept; of none that did, that is true.
func (d *Doors) Settled(ctx context.Context) (kept bool, err error) {
	for least := 0; ; { // changes in the ledger, where it was kept
		b, err := d.openBook()
		if err != nil {
			return false, err
		}
		waits, changes := b.Pending, len(b.Changes)
		b.close()
		if waits == nil {
			return changes >= least, nil
		}
		least = waits.First + 1
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(time.Second / 2):
		}
	}
}

// keep has nothing be taken back any more.
func (d *Doors) keep(ctx context.Context, b *book) error {
	b.Pending = nil
	if err := b.write(); err != nil {
		return err
	}
	return d.disarm(ctx)
}

// deepestProcess is more than any chain of processes has.
const deepestProcess = 256

// since says why no login above a process is younger than a moment.
func since(proc fs.FS, pid int, moment uint64) error {
	for range deepestProcess {
		p, err := chain.Read(proc, pid)
		if err != nil {
			return err
		}
		switch program := p.Program(); {
		case program == "sshd", program == "sshd-session", program == "login":
			if p.Start <= moment {
				return fmt.Errorf("process %d, %s, is older than the closing", pid, program)
			}
			return nil
		case p.Parent == 0:
			return errors.New("there is no login above it")
		}
		pid = p.Parent
	}
	return errors.New("its chain of processes has no end")
}
