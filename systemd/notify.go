package systemd

import (
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready tells systemd that this service is up (sd_notify(3)). Started by hand, with nobody to tell, it does nothing.
func Ready() error { return notify(daemon.SdNotifyReady) }

// Stopping tells systemd that this service is on its way down.
func Stopping() error { return notify(daemon.SdNotifyStopping) }

// Status gives one line on how this service does; systemctl status shows it.
func Status(line string) error { return notify("STATUS=" + oneLine(line)) }

func notify(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("cannot notify systemd: %w", err)
	}
	return nil
}

// oneLine keeps a status from carrying further assignments.
func oneLine(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' {
			b[i] = ' '
		}
	}
	return string(b)
}
