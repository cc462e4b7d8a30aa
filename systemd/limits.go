package systemd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Limits are what the processes of a unit may use together (systemd.resource-control(5)). Zero is no limit.
type Limits struct {
	Memory uint64 // bytes: MemoryMax=, and no swap beside it
	Tasks  uint64 // processes and threads: TasksMax=
	CPU    uint64 // percent of one processor: CPUQuota=
	IO     uint64 // weight, 1 to 10000: IOWeight=
}

// Limit sets all limits of a unit, whether or not it runs, until the next boot or until Revert. They are in force when it
// returns, and from the first process of the next start on.
func (u *Units) Limit(ctx context.Context, unit string, l Limits) error {
	swap := uint64(math.MaxUint64)
	if l.Memory > 0 {
		swap = 0
	}
	properties := []dbus.Property{
		property("MemoryMax", orInfinity(l.Memory)),
		property("MemorySwapMax", swap),
		property("TasksMax", orInfinity(l.Tasks)),
		property("CPUQuotaPerSecUSec", orInfinity(l.CPU*10_000)), // microseconds of processor time for each second
		property("IOWeight", orInfinity(l.IO)),
	}
	err := u.call(func(c *dbus.Conn) error { return c.SetUnitPropertiesContext(ctx, unit, true, properties...) })
	if err != nil {
		return fmt.Errorf("cannot limit %s: %w", unit, err)
	}
	return nil
}

// Usage is what the processes of a unit that runs use together.
type Usage struct {
	Memory uint64 // bytes, file cache included
	Tasks  uint64 // processes and threads
}

// Usage looks. A unit that does not run uses nothing.
func (u *Units) Usage(ctx context.Context, unit string) (Usage, error) {
	var usage Usage
	err := u.call(func(c *dbus.Conn) error {
		for name, into := range map[string]*uint64{"MemoryCurrent": &usage.Memory, "TasksCurrent": &usage.Tasks} {
			p, err := c.GetServicePropertyContext(ctx, unit, name)
			if err != nil {
				return err
			}
			if n, ok := p.Value.Value().(uint64); ok && n != math.MaxUint64 { // how systemd says that it does not know
				*into = n
			}
		}
		return nil
	})
	if err != nil {
		return Usage{}, fmt.Errorf("cannot tell what %s uses: %w", unit, err)
	}
	return usage, nil
}

func property(name string, value uint64) dbus.Property {
	return dbus.Property{Name: name, Value: godbus.MakeVariant(value)}
}

// orInfinity is how systemd writes that there is no limit.
func orInfinity(n uint64) uint64 {
	if n == 0 {
		return math.MaxUint64
	}
	return n
}

// Revert takes back what Limit set, for a unit that is not needed any more: it leaves files in /run.
func (u *Units) Revert(ctx context.Context, unit string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		err := revert(ctx, unit)
		if err == nil {
			return nil
		}
		// What systemd itself says is its last word; else it may be re-executing itself.
		if said := (godbus.Error{}); errors.As(err, &said) || ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("cannot revert %s: %w", unit, err)
		}
	}
}

func revert(ctx context.Context, unit string) error {
	conn, err := manager(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	systemd := conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	return systemd.CallWithContext(ctx, "org.freedesktop.systemd1.Manager.RevertUnitFiles", 0, []string{unit}).Err
}

// manager connects as dial does, for a call that the library does not know.
func manager(ctx context.Context) (*godbus.Conn, error) {
	if os.Geteuid() == 0 {
		conn, err := godbus.Dial("unix:path=/run/systemd/private", godbus.WithContext(ctx))
		if err == nil {
			if err = conn.Auth([]godbus.Auth{godbus.AuthExternal(strconv.Itoa(os.Geteuid()))}); err == nil {
				return conn, nil
			}
			conn.Close()
		}
	}
	return godbus.ConnectSystemBus(godbus.WithContext(ctx))
}
