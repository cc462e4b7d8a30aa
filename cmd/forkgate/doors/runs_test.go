package doors

import (
	"io/fs"
	"syscall"
	"testing"
	"testing/fstest"
)

// What runs as its owner, or is root's, or is there to be read, is none of root's that others write.
func TestWhatRootRunsIsRoots(t *testing.T) {
	for what, text := range map[string]string{
		"as its owner":    "[Service]\nUser=mallory\nExecStart=/opt/x\n",
		"as nobody":       "[Service]\nDynamicUser=yes\nExecStart=/opt/x\n",
		"another's data":  "[Service]\nExecStart=/usr/bin/serve --root /opt/data\n",
		"root's in /tmp":  "[Service]\nExecStart=/tmp/x\n",
		"nothing is run":  "[Unit]\nDocumentation=/opt/x\n",
		"what is not one": "[Service]\nExecStart=/opt/none\n",
	} {
		f := shut()
		f.put("opt/x", 0o755, 1001, 1001)
		f.put("opt/data", 0o644, 1001, 1001)
		f.put("usr/bin/serve", 0o755, 0, 0)
		f.put("tmp/x", 0o755, 0, 0)
		f.files["tmp"] = &fstest.MapFile{Mode: fs.ModeDir | fs.ModeSticky | 0o777, Sys: &syscall.Stat_t{}}
		f.write("etc/systemd/system/x.service", text)
		if r := row(t, f, "root's files"); r.State != Closed {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

// Disks as udev has them, and media that come and go, are nobody's way in; nor is what is written down where nothing reads it.
func TestDisksOfTheGroupDisk(t *testing.T) {
	f := shut()
	f.write("etc/group", group+"cdrom:x:24:mallory\n")
	for _, it := range []func(*fake){
		blockDevice("dev/sda", 8, 0o660, 6), blockDevice("dev/sr0", 11, 0o660, 24), blockDevice("dev/dm-0", 253, 0o600, 0),
		readsOf("etc/systemd/system/x.service", "[Service]\n# EnvironmentFile=/home/mallory/env\nWorkingDirectory=/home/mallory\n"),
		readsOf("etc/systemd/system/hers.service", "[Service]\nUser=mallory\nExecStart=/bin/true\nEnvironmentFile=/home/mallory/env\n"),
		readsOf("etc/systemd/system/hers.service.d/x.conf", "[Service]\nEnvironmentFile=/home/mallory/env\n"),
	} {
		it(f)
	}
	if r := row(t, f, "root's files"); r.State != Closed {
		t.Errorf("%+v", r)
	}
	f.write("etc/systemd/system/hers.service.d/y.conf", "[Service]\nExecStartPre=+/bin/true\n")
	if r := row(t, f, "root's files"); r.State != Open {
		t.Errorf("control, with root running something in that environment: %+v", r)
	}
}

// What Debian and Fedora ship asks, and so does what is for admins.
func TestWhatPAMAsks(t *testing.T) {
	for _, line := range []string{
		"auth sufficient pam_rootok.so", "#auth sufficient pam_wheel.so trust", "auth required pam_wheel.so", "auth required pam_permit.so", "auth [success=1 default=ignore] pam_unix.so nullok",
		"auth [default=1 ignore=ignore success=ok] pam_succeed_if.so uid >= 1000 quiet", "account sufficient pam_succeed_if.so uid = 0 use_uid quiet", "auth sufficient pam_wheel.so trust group=forkgate-admin",
	} {
		f := shut()
		f.write("etc/pam.d/su", line+"\n")
		if r := row(t, f, "PAM trusts"); r.State != Closed {
			t.Errorf("%s: %+v", line, r)
		}
	}
}
