package doors

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/tests/need"
)

// A file that nobody may read or run, but that is setuid, keeps what is in it.
func TestASetuidFileOfModeNothing(t *testing.T) {
	need.Root(t) // nobody else reads it
	h := build(t)
	const name = "/opt/x"
	h.put(t, name, "a shell")
	if err := os.Chmod(h.root+name, fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	before := h.shape(t)
	if _, err := h.Close(t.Context(), "setuid"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(h.root + name)
	if err != nil || info.Mode() != 0 || info.Size() != int64(len("a shell")) {
		t.Errorf("closed: %v, %v", info, err)
	}
	if err := h.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "undone", before, h.shape(t))
}

func TestWhatRootAloneReachesIsNoWay(t *testing.T) {
	for name, hides := range map[string]func(*fake){
		"root's alone": func(f *fake) { f.put("var/images", fs.ModeDir|0o700, 0, 0) },
		"nosuid":       write("proc/self/mountinfo", "1 0 0:1 / / rw - ext4 /dev/x rw\n2 1 0:2 / /var/images rw,nosuid - ext4 /dev/y rw\n"),
		"a FUSE of a user's": func(f *fake) {
			f.write("proc/self/mountinfo", "2 1 0:2 / /var/images rw,nosuid,nodev - fuse.x x rw,user_id=1001\n")
			f.put("var/images/a/x", fs.ModeIrregular, 1001, 0)
		},
	} {
		f := shut()
		setuid("var/images/a/rootsh", 0)(f)
		capable("var/images/a/python3", 1<<unix.CAP_SETUID)(f)
		for _, way := range []string{"setuid", "capabilities"} {
			if r := row(t, f, way); r.State != Open {
				t.Errorf("control: %+v", r)
			}
		}
		hides(f)
		for _, way := range []string{"setuid", "capabilities"} {
			if r := row(t, f, way); r.State == Open {
				t.Errorf("%s: %+v", name, r)
			}
		}
		f.write("proc/self/mountinfo", "2 1 0:2 / /var/images rw,nosuid - ext4 /dev/y rw\n3 2 0:3 / /var/images/a rw - ext4 /dev/z rw\n")
		if r := row(t, f, "setuid"); (r.State == Open) != (name != "root's alone") {
			t.Errorf("%s, with a mount below that is not: %+v", name, r)
		}
	}
}

// A list that the mask makes nothing of, or that has admins alone, is no way.
func TestAnAccessControlListThatIsNone(t *testing.T) {
	for _, entries := range [][]entry{{{2, 6, 1001}, {0x10, 4, -1}}, {{2, 6, 1000}, {8, 6, 998}, {8, 6, 0}}, {{2, 4, 1001}}} {
		f := shut()
		listed("run/docker.sock", entries...)(f)
		listed("etc/sudoers", entries...)(f)
		for _, way := range []string{"sockets", "root's files"} {
			if r := row(t, f, way); r.State == Open {
				t.Errorf("%+v: %+v", entries, r)
			}
		}
	}
}

// What cannot be looked at may be anything.
func TestWhatCannotBeWalkedIsOpen(t *testing.T) {
	h := shut().host()
	h.Files = refusing{h.Files}
	for _, probe := range []func(context.Context, *Host) finding{setuidProbe, capabilitiesProbe} {
		if got := probe(t.Context(), h); got.state != Open || !strings.Contains(got.found, "permission denied") {
			t.Errorf("%+v", got)
		}
	}
}

type refusing struct{ fs.FS }

func (r refusing) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == "home/ada" {
		return nil, fs.ErrPermission
	}
	return fs.ReadDir(r.FS, name)
}

// What at itself leaves in its spool is nobody's job.
func TestWhoseJobsThereAre(t *testing.T) {
	f := shut()
	f.write("usr/sbin/atd", "")
	f.put("var/spool/cron/atjobs/a01", 0o700, 1, 1)
	f.put("var/spool/cron/atjobs/a02", 0o700, 1001, 1)
	if r := row(t, f, "at"); r.Found != "jobs of mallory" {
		t.Errorf("%+v", r)
	}
}
