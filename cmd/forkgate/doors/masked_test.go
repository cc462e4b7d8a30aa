package doors

import (
	"io/fs"
	"syscall"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

// device has a name lead to a device, as a link to it does.
func device(name string, major, minor uint32) func(*fake) {
	return func(f *fake) {
		f.within(name)
		f.files[name] = &fstest.MapFile{Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, Sys: &syscall.Stat_t{Rdev: unix.Mkdev(major, minor)}}
	}
}

// What leads to /dev/null, and an empty file, is nothing: a unit is masked by either, and no way in. Another device is not understood.
func TestWhatIsMaskedIsNoWayIn(t *testing.T) {
	for name, way := range map[string]string{
		"etc/systemd/system/getty@.service": "console", "run/systemd/system/serial-getty@.service": "console", "etc/systemd/system/autovt@.service": "console",
		"etc/systemd/system/getty@.service.d/autologin.conf": "console", "etc/cron.d/e2scrub_all": "cron", "etc/sudoers.d/x": "sudo", "etc/polkit-1/rules.d/50-default.rules": "polkit",
	} {
		clean := row(t, shut(), way)
		for what, masks := range map[string]func(*fake){"/dev/null": device(name, 1, 3), "empty": write(name, "")} {
			f := shut()
			masks(f)
			if r := row(t, f, way); r != clean {
				t.Errorf("%s, %s: %+v", name, what, r)
			}
		}
		f := shut()
		device(name, 4, 64)(f)
		if r := row(t, f, way); r.State != Open {
			t.Errorf("control, %s is a terminal: %+v", name, r)
		}
	}
	f := shut()
	says(f, "systemctl show", "disabled", "masked")
	if r := row(t, f, "debug shell"); r.State != Closed {
		t.Errorf("%+v", r)
	}
}
