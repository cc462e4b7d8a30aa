package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// ErrClosed is what a call on closed Units returns.
var ErrClosed = errors.New("the connection to systemd is closed")

// Units starts and stops units of the system manager. Its methods may be called from many goroutines at once. A connection
// that drops, as it does when systemd re-executes itself, is made anew, and a job that was under way is seen to its end.
type Units struct {
	mu     sync.Mutex
	conn   *dbus.Conn // nil until it is needed
	closed bool
}

// Connect connects to the system manager. It fails where systemd is not pid 1.
func Connect() (*Units, error) {
	u := new(Units)
	if _, err := u.connection(); err != nil {
		return nil, err
	}
	return u, nil
}

// Close ends the connection. Calls that wait return an error.
func (u *Units) Close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	if u.conn != nil {
		u.conn.Close()
	}
}

// Start starts a unit and waits until it is up: for Type=notify, until it says so. Starting one that is up does nothing. A unit
// that does not come up is a [*StartError]. When ctx ends first, the job goes on without a witness.
func (u *Units) Start(ctx context.Context, unit string) error {
	result, err := u.job(ctx, unit, (*dbus.Conn).StartUnitContext)
	if err != nil {
		return fmt.Errorf("cannot start %s: %w", unit, err)
	}
	if result != jobDone {
		return u.startError(ctx, unit, result)
	}
	return nil
}

// Stop stops a unit with the grace that its file gives it, and waits until it is down. A unit that is down stays so.
func (u *Units) Stop(ctx context.Context, unit string) error {
	result, err := u.job(ctx, unit, (*dbus.Conn).StopUnitContext)
	switch {
	case isNoSuchUnit(err):
		return nil
	case err != nil:
		return fmt.Errorf("cannot stop %s: %w", unit, err)
	case result != jobDone:
		return fmt.Errorf("cannot stop %s: the job is %s", unit, result)
	}
	return u.Forget(ctx, unit)
}

// Kill ends every process of a unit at once, without grace, and waits until the unit is down, ExecStopPost included.
func (u *Units) Kill(ctx context.Context, unit string) error {
	err := u.call(func(c *dbus.Conn) error { return c.KillUnitWithTarget(ctx, unit, dbus.All, int32(syscall.SIGKILL)) })
	// A unit without processes has nothing to kill, and may still have to run its ExecStopPost.
	if err != nil && !isNoSuchUnit(err) && !isDBusError(err, "org.freedesktop.systemd1.NoSuchProcess") {
		return fmt.Errorf("cannot kill %s: %w", unit, err)
	}
	return u.Stop(ctx, unit)
}

// Forget drops what systemd remembers of a unit that failed.
func (u *Units) Forget(ctx context.Context, unit string) error {
	err := u.call(func(c *dbus.Conn) error { return c.ResetFailedUnitContext(ctx, unit) })
	if err != nil && !isNoSuchUnit(err) {
		return fmt.Errorf("cannot reset %s: %w", unit, err)
	}
	return nil
}

// Running lists the units that are up, on their way up or on their way down, whose names match a pattern as fnmatch(3) knows
// it.
func (u *Units) Running(ctx context.Context, pattern string) ([]string, error) {
	return u.list(ctx, pattern, "active", "activating", "deactivating", "reloading", "refreshing", "maintenance")
}

// Failed lists the units that systemd remembers as failed, whose names match a pattern as fnmatch(3) knows it.
func (u *Units) Failed(ctx context.Context, pattern string) ([]string, error) {
	return u.list(ctx, pattern, "failed")
}

func (u *Units) list(ctx context.Context, pattern string, states ...string) ([]string, error) {
	var units []dbus.UnitStatus
	err := u.call(func(c *dbus.Conn) (err error) {
		units, err = c.ListUnitsByPatternsContext(ctx, states, []string{pattern})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list the units %s: %w", pattern, err)
	}
	names := make([]string, 0, len(units))
	for _, unit := range units {
		names = append(names, unit.Name)
	}
	return names, nil
}

// connection returns a connection that is up. It outlives every call, so no call's context may end it.
func (u *Units) connection() (*dbus.Conn, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil, ErrClosed
	}
	if u.conn != nil && u.conn.Connected() {
		return u.conn, nil
	}
	if u.conn != nil {
		u.conn.Close()
		u.conn = nil
	}
	conn, err := dial(context.Background())
	if err != nil {
		return nil, fmt.Errorf("cannot reach systemd: %w", err)
	}
	u.conn = conn
	return conn, nil
}

// dial prefers the manager's own socket, which only root may use: one hop less, and D-Bus need not be up.
func dial(ctx context.Context) (*dbus.Conn, error) {
	if os.Geteuid() == 0 {
		if conn, err := dbus.NewSystemdConnectionContext(ctx); err == nil {
			return conn, nil
		}
	}
	conn, err := dbus.NewSystemConnectionContext(ctx)
	if err != nil {
		return nil, err
	}
	// On the bus, the manager sends its signals only while somebody subscribes.
	if err := conn.Subscribe(); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// patience is how long systemd may be away, re-executing itself.
const patience = 5 * time.Second

// call makes a call that may be made twice: once more for each connection that drops under it.
func (u *Units) call(do func(*dbus.Conn) error) error {
	for deadline := time.Now().Add(patience); ; {
		conn, err := u.connection()
		if err == nil {
			if err = do(conn); err == nil || conn.Connected() && !broken(err) {
				return err
			}
			u.drop(conn)
		}
		if errors.Is(err, ErrClosed) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// broken reports whether a connection is at its end, of which who reads from it may not have heard yet.
func broken(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, godbus.ErrClosed)
}

// drop has the next call make a connection of its own, unless another has made one meanwhile.
func (u *Units) drop(conn *dbus.Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn == conn {
		conn.Close()
		u.conn = nil
	}
}

func isNoSuchUnit(err error) bool { return isDBusError(err, "org.freedesktop.systemd1.NoSuchUnit") }

func isDBusError(err error, name string) bool {
	var e godbus.Error
	return errors.As(err, &e) && e.Name == name
}
