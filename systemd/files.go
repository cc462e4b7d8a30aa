package systemd

import (
	"context"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Reload has systemd read all unit files again (systemctl daemon-reload).
func (u *Units) Reload(ctx context.Context) error {
	if err := u.call(func(c *dbus.Conn) error { return c.ReloadContext(ctx) }); err != nil {
		return fmt.Errorf("cannot have systemd read its units again: %w", err)
	}
	return nil
}

// Enable has a unit start at boot, as its [Install] section says. It starts nothing now.
func (u *Units) Enable(ctx context.Context, unit string) error {
	err := u.call(func(c *dbus.Conn) error {
		_, _, err := c.EnableUnitFilesContext(ctx, []string{unit}, false, false)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot enable %s: %w", unit, err)
	}
	return nil
}

// Disable undoes Enable.
func (u *Units) Disable(ctx context.Context, unit string) error {
	err := u.call(func(c *dbus.Conn) error {
		_, err := c.DisableUnitFilesContext(ctx, []string{unit}, false)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot disable %s: %w", unit, err)
	}
	return nil
}
