package doors

import (
	"bufio"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// TestMain is also the process that holds a ledger, for the test below.
func TestMain(m *testing.M) {
	if state := os.Getenv("HOLDS"); state != "" {
		if _, err := (&Doors{State: state, Proc: os.DirFS("/proc")}).openBook(); err == nil {
			os.Stdout.WriteString("held\n")
			time.Sleep(time.Hour)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Who hangs, or was stopped, with the ledger in his hands keeps nobody from taking back what is closed.
func TestARollbackWaitsForNobody(t *testing.T) {
	h := build(t)
	before := h.shape(t)
	if _, err := h.Close(t.Context(), some3...); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.CommandContext(t.Context(), self)
	holder.Env = append(os.Environ(), "HOLDS="+h.State)
	out, err := holder.StdoutPipe()
	if err == nil {
		err = holder.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatal(line, err)
	}
	h.Queue = 300 * time.Millisecond
	if err := h.Undo(t.Context()); err == nil || !strings.Contains(err.Error(), "is at it") {
		t.Errorf("control: nobody has the ledger: %v", err)
	}
	h.Queue = 3 * time.Second
	if done, err := h.Rollback(t.Context()); !done || err != nil {
		t.Errorf("%t, %v", done, err)
	}
	_ = holder.Wait()
	same(t, "rolled back", before, h.shape(t))
}

// Nobody is killed who has the number of the process that took the lock, or that is another program.
func TestWhoIsKilledForALock(t *testing.T) {
	other := exec.CommandContext(t.Context(), "sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	proc := os.DirFS("/proc")
	for _, held := range []heldError{{}, {pid: other.Process.Pid}, {pid: os.Getpid(), start: 1}} {
		if err := held.kill(proc); err == nil {
			t.Errorf("%+v is killed", held)
		}
	}
}

type slowly struct{ fstest.MapFS }

func (s slowly) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "home/mallory/") {
		select {}
	}
	return s.MapFS.Open(name)
}

// A user has /proc/kmsg, a pipe or a file system of his own where his keys are looked for.
func TestAFileThatIsNeverRead(t *testing.T) {
	t.Parallel()
	f := shut()
	ungated("sshd", write("home/mallory/.ssh/authorized_keys", "x"))(f)
	h := f.host()
	h.Files = slowly{f.files}
	if got := keysProbe(t.Context(), h); got.state != Open || !strings.Contains(got.found, "cannot be read within") {
		t.Errorf("%+v", got)
	}
}

// What cannot be closed is left where nobody has named it, and as it was; where it is named, nothing is closed.
func TestAWayThatCannotBeClosedIsLeft(t *testing.T) {
	h := build(t)
	h.put(t, linger+"/mallory", "")
	before := h.shape(t)
	h.failing = "systemctl stop user@1001.service"
	if _, err := h.Close(t.Context(), "sudo", "lingering"); err == nil {
		t.Error("named: no error")
	}
	same(t, "named", before, h.shape(t))
	done, err := h.Close(t.Context(), All)
	if err != nil || slices.Contains(done.Ways, "lingering") || !slices.Contains(done.Ways, "sudo") || !strings.Contains(strings.Join(done.Left, "\n"), "lingering (cannot close lingering: it fails") {
		t.Errorf("%+v, %v", done, err)
	}
	if h.shape(t)["/"+linger+"/mallory"] != before["/"+linger+"/mallory"] {
		t.Error("it is not as it was")
	}
	if !slices.ContainsFunc(h.ledger(t).Changes, func(c change) bool { return c.Way == "sudo" }) || slices.ContainsFunc(h.ledger(t).Changes, func(c change) bool { return c.Way == "lingering" }) {
		t.Errorf("%+v", h.ledger(t))
	}
}

// What takes long, and fails, is left as well.
func TestASlowWayThatFailsIsLeft(t *testing.T) {
	d := build(t).Doors
	w := way{name: "setuid", slow: true, shut: func(context.Context, *Host) ([]step, error) { return nil, fs.ErrPermission }}
	var done Closing
	if chosen, err := d.ahead(t.Context(), []way{w}, []string{All}, &done); err != nil || len(chosen) > 0 || len(done.Left) != 1 {
		t.Errorf("%+v, %+v, %v", chosen, done, err)
	}
	if _, err := d.ahead(t.Context(), []way{w}, []string{"setuid"}, &done); err == nil {
		t.Error("named: no error")
	}
}

// Whoever closes may be killed before anything is armed, and a boot may come without the unit: what nobody can confirm any more is in nobody's way.
func TestAClosingThatNobodyTakesBack(t *testing.T) {
	for name, becomes := range map[string]func(*house){
		"another boot": func(h *house) { h.put(t, "proc/sys/kernel/random/boot_id", "another\n") },
		"too late":     func(h *house) { h.Patience = -time.Second },
	} {
		h := build(t)
		before := h.shape(t)
		if name == "too late" {
			becomes(h)
		}
		if _, err := h.Close(t.Context(), "sudo"); err != nil {
			t.Fatal(err)
		}
		becomes(h)
		h.Patience = time.Minute
		if _, err := h.Close(t.Context(), "cron"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after := h.shape(t); after["/etc/sudoers"] != before["/etc/sudoers"] {
			t.Errorf("%s: sudoers is %q", name, after["/etc/sudoers"])
		}
	}
}
