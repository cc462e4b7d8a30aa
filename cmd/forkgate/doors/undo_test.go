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
