package doors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/tests/need"
)

// armed reports whether systemd is to take something back.
func (h *house) armed() bool {
	_, err := os.Lstat(h.root + wanted)
	return err == nil
}

func (h *house) ledger(t *testing.T) ledger {
	t.Helper()
	b, err := h.openBook()
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	return b.ledger
}

// A disk that is full, or fails for a while, leaves a closing to be taken back, and systemd to do it.
func TestARollbackThatFailsIsTriedAgain(t *testing.T) {
	const crontabs = "/var/spool/cron/crontabs"
	for name, c := range map[string]struct{ breaks, mends func(h *house) error }{
		"a file": {
			func(h *house) error {
				return errors.Join(os.Rename(h.root+crontabs, h.root+crontabs+".away"), os.Symlink("crontabs", h.root+crontabs))
			},
			func(h *house) error {
				return errors.Join(os.Remove(h.root+crontabs), os.Rename(h.root+crontabs+".away", h.root+crontabs))
			},
		},
		"a program": {
			func(h *house) error { h.failing = "systemctl try-reload-or-restart"; return nil },
			func(h *house) error { h.failing = ""; return nil },
		},
	} {
		h := build(t)
		h.programs["sshd -T"] = strings.Replace(sshdSays, "permitrootlogin no", "permitrootlogin yes", 1)
		h.programs["sshd -t"] = ""
		before := h.shape(t)
		if _, err := h.Close(t.Context(), "sudo", "cron", "sshd root"); err != nil {
			t.Fatal(err)
		}
		if err := c.breaks(h); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if done, err := h.Rollback(t.Context()); err == nil || !done {
				t.Errorf("%s fails, and that is no error", name)
			}
			if l := h.ledger(t); l.Pending == nil || len(l.Changes) != 1 || !h.armed() {
				t.Errorf("%s fails, and is forgotten: %+v, armed: %t", name, l, h.armed())
			}
		}
		if err := h.Confirm(t.Context()); err == nil || !strings.Contains(err.Error(), "being taken back") {
			t.Errorf("half of a closing is confirmed: %v", err)
		}
		if err := h.Keep(t.Context()); err == nil {
			t.Error("half of a closing is kept")
		}
		if err := c.mends(h); err != nil {
			t.Fatal(err)
		}
		if done, err := h.Rollback(t.Context()); err != nil || !done || h.armed() {
			t.Errorf("%s is mended: %t, %v, armed: %t", name, done, err, h.armed())
		}
		same(t, name, before, h.shape(t))
	}
}

// A unit that is gone is started by nobody, however often.
func TestAUnitThatIsGoneIsNotWaitedFor(t *testing.T) {
	h := build(t)
	for code, later := range map[int]bool{5: false, 1: true} {
		h.Host.Run = func(ctx context.Context, _ ...string) (string, error) {
			return "", fmt.Errorf("x: %w", exec.CommandContext(ctx, "sh", "-c", fmt.Sprintf("exit %d", code)).Run())
		}
		b := &book{ledger: ledger{Changes: []change{{Way: "x", Undo: []string{"systemctl", "start", "x"}}}}}
		if err := h.takeBack(t.Context(), b, 0); err == nil || errors.Is(err, errLater) != later || (len(b.Changes) == 1) != later {
			t.Errorf("code %d: %v, %+v", code, err, b.Changes)
		}
	}
}

// Where there is no room for another file the one that is there is written over.
func TestPutBackOnAFullDisk(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(name, []byte("what is longer than the other"), 0o600); err != nil {
		t.Fatal(err)
	}
	full := func(f *os.File) error {
		if f.Name() != name {
			return unix.ENOSPC
		}
		return f.Chmod(0o640)
	}
	if err := replace(name, nil, full); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("control: %v", err)
	}
	if err := putBack(name, []byte("what was"), full); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if text, _ := os.ReadFile(name); string(text) != "what was" || err != nil || info.Mode() != 0o640 {
		t.Errorf("%q, %v, %v", text, info.Mode(), err)
	}
}

// Access control lists and labels are attributes of a file, which another one in its place has as well.
func TestAttributesStay(t *testing.T) {
	need.Root(t) // nobody else has trusted ones, which every file system knows
	h := build(t)
	const attribute = "trusted.forkgate"
	for _, name := range []string{"/etc/sudoers", "/var/spool/cron/crontabs/mallory"} {
		if err := unix.Setxattr(h.root+name, attribute, []byte("a label"), 0); err != nil {
			t.Fatal(err)
		}
	}
	label := func(name string) string {
		all, err := attributes(h.root + name)
		if err != nil {
			t.Error(err)
		}
		return string(all[attribute])
	}
	if _, err := h.Close(t.Context(), some3...); err != nil {
		t.Fatal(err)
	}
	if got := label("/etc/sudoers"); got != "a label" {
		t.Errorf("closed: %q", got)
	}
	if err := h.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/etc/sudoers", "/var/spool/cron/crontabs/mallory"} {
		if got := label(name); got != "a label" {
			t.Errorf("%s, undone: %q", name, got)
		}
	}
}

// Where an attribute is not to be had, the text is.
func TestATextIsPutBackWithoutItsLabel(t *testing.T) {
	h := build(t)
	if _, err := h.Close(t.Context(), "sudo"); err != nil {
		t.Fatal(err)
	}
	b, err := h.openBook()
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Changes {
		if b.Changes[i].Path == "/etc/sudoers" {
			b.Changes[i].File.Attributes = map[string][]byte{"nowhere.x": nil}
		}
	}
	if err := b.write(); err != nil {
		t.Fatal(err)
	}
	b.close()
	if err := h.Undo(t.Context()); err != nil || strings.Contains(h.shape(t)["/etc/sudoers"], denial) {
		t.Error(err)
	}
}

// What is no text, or too long a one, would come back as nothing: it is not taken.
func TestWhatCannotBePutBackStays(t *testing.T) {
	const crontab, allow = "/var/spool/cron/crontabs/mallory", "/etc/cron.allow"
	for name, becomes := range map[string]func(h *house) error{
		"a pipe": func(h *house) error {
			return errors.Join(os.Remove(h.root+crontab), unix.Mkfifo(h.root+crontab, 0o600))
		},
		"too long":                  func(h *house) error { return os.Truncate(h.root+crontab, most+1) },
		"a link that leads nowhere": func(h *house) error { return os.Symlink("nowhere", h.root+allow) },
	} {
		h := build(t)
		if err := becomes(h); err != nil {
			t.Fatal(err)
		}
		before := h.shape(t)
		if _, err := h.Close(t.Context(), "cron"); err == nil || !strings.Contains(err.Error(), "cannot be written down") {
			t.Errorf("%s: %v", name, err)
		}
		same(t, name, before, h.shape(t))
	}
}

// A power cut may leave a closing pending that systemd was not told of, and half a file beside one that is changed.
func TestAClosingThatAPowerCutEnded(t *testing.T) {
	h := build(t)
	before := h.shape(t)
	if _, err := h.Close(t.Context(), "sudo"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Close(t.Context(), "cron"); err == nil || !strings.Contains(err.Error(), "waits to be confirmed") {
		t.Errorf("control: in the same boot: %v", err)
	}
	if err := h.disarm(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.put(t, "proc/sys/kernel/random/boot_id", "another\n")
	h.put(t, "etc/.sudoers.1.forkgate~", "half")
	if _, err := h.Close(t.Context(), "cron"); err != nil {
		t.Errorf("after a boot: %v", err)
	}
	if l := h.ledger(t); l.Pending == nil || l.Changes[0].Way != "cron" {
		t.Errorf("the ledger has %+v", l)
	}
	if _, err := h.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	h.put(t, "proc/sys/kernel/random/boot_id", "0a1b\n")
	same(t, "after a boot", before, h.shape(t))
}
