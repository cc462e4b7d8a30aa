package systemd_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"forkgate/systemd"
	"forkgate/tests/machine"
)

func TestUnits(t *testing.T) {
	if !machine.Within(t) {
		return
	}
	u, err := systemd.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	install(t, "fg-up@.service", "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep 600'\nExecStopPost=/bin/touch /run/%p-%i.post\n")
	install(t, "fg-stubborn.service", "[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'\nTimeoutStopSec=60\n")
	install(t, "fg-broken.service", "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'systemd-notify --status=\"no pool\"; sleep 0.2; exit 7'\n")
	install(t, "fg-mute.service", "[Service]\nType=notify\nExecStart=/bin/sleep 600\nTimeoutStartSec=500ms\n")
	install(t, "fg-slow.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 2\n")
	install(t, "fg-slow-broken.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'sleep 2; exit 3'\n")
	sh(t, "systemctl daemon-reload")

	t.Run("start, list, stop", func(t *testing.T) { startListStop(t, u) })
	t.Run("a unit that fails", func(t *testing.T) { failures(t, u) })
	t.Run("kill", func(t *testing.T) { kill(t, u) })
	t.Run("many at once", func(t *testing.T) { many(t, u) })
	t.Run("a call that is given up", func(t *testing.T) { givenUp(t, u) })
	t.Run("systemd re-executes itself", func(t *testing.T) { reexec(t, u) })
	t.Run("by way of the bus", func(t *testing.T) {
		hide(t, "/run/systemd/private")
		bus, err := systemd.Connect()
		if err != nil {
			t.Fatal(err)
		}
		defer bus.Close()
		startListStop(t, bus)
		limits(t, bus)
	})
	t.Run("limits", func(t *testing.T) { limits(t, u) })
	t.Run("closed", func(t *testing.T) {
		u.Close()
		if err := u.Start(t.Context(), "fg-up@x.service"); !errors.Is(err, systemd.ErrClosed) {
			t.Errorf("start on a closed connection: %v", err)
		}
	})
}

func startListStop(t *testing.T, u *systemd.Units) {
	for range 2 { // the second start has nothing to do
		if err := u.Start(t.Context(), "fg-up@a-1.service"); err != nil {
			t.Fatal(err)
		}
	}
	if up, err := u.Running(t.Context(), "fg-up@*.service"); err != nil || !slices.Equal(up, []string{"fg-up@a-1.service"}) {
		t.Errorf("running: %q, %v", up, err)
	}
	for range 2 {
		if err := u.Stop(t.Context(), "fg-up@a-1.service"); err != nil {
			t.Fatal(err)
		}
	}
	if up, err := u.Running(t.Context(), "fg-up@*.service"); err != nil || len(up) > 0 {
		t.Errorf("still running: %q, %v", up, err)
	}
	if err := u.Stop(t.Context(), "fg-no-such-thing.service"); err != nil {
		t.Errorf("stop of what does not exist: %v", err)
	}
}

func failures(t *testing.T, u *systemd.Units) {
	var failed *systemd.StartError
	err := u.Start(t.Context(), "fg-broken.service")
	if !errors.As(err, &failed) || failed.Job != "failed" || failed.Exit != 7 || failed.Status != "no pool" {
		t.Errorf("broken: %+v, %v", failed, err)
	}
	if want := `cannot start fg-broken.service: failed, exit-code (7), "no pool"; see journalctl -u fg-broken.service`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := u.Start(t.Context(), "fg-mute.service"); !errors.As(err, &failed) || failed.Result != "timeout" {
		t.Errorf("never ready: %+v, %v", failed, err)
	}
	if err := u.Start(t.Context(), "fg-no-such-thing.service"); err == nil {
		t.Error("started what does not exist")
	}
	if failed, err := u.Failed(t.Context(), "fg-*"); err != nil || len(failed) > 0 {
		t.Errorf("systemd still remembers %q, %v", failed, err)
	}
}

func kill(t *testing.T, u *systemd.Units) {
	for _, unit := range []string{"fg-stubborn.service", "fg-up@k.service"} {
		if err := u.Start(t.Context(), unit); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 2 { // the second has nothing to kill
			if err := u.Kill(t.Context(), unit); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: a kill took %s", unit, took)
		}
	}
	if _, err := os.Stat("/run/fg-up-k.post"); err != nil {
		t.Errorf("Kill came back before ExecStopPost: %v", err)
	}
	up, err := u.Running(t.Context(), "fg-*")
	failed, err2 := u.Failed(t.Context(), "fg-*")
	if len(up)+len(failed) > 0 || err != nil || err2 != nil {
		t.Errorf("left: %q, failed %q, %v, %v", up, failed, err, err2)
	}
}

func many(t *testing.T, u *systemd.Units) {
	var all sync.WaitGroup
	for _, i := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		all.Go(func() {
			unit := "fg-up@" + i + ".service"
			if err := errors.Join(u.Start(t.Context(), unit), u.Stop(t.Context(), unit)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func givenUp(t *testing.T, u *systemd.Units) {
	bored := errors.New("bored")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, bored)
	defer cancel()
	if err := u.Start(ctx, "fg-slow.service"); !errors.Is(err, bored) {
		t.Errorf("want the cause: %v", err)
	}
	if err := u.Stop(t.Context(), "fg-slow.service"); err != nil {
		t.Error(err)
	}
}

// A job under way survives a re-execution; the connection that waits for it does not.
func reexec(t *testing.T, u *systemd.Units) {
	results := make(chan error, 2)
	for _, unit := range []string{"fg-slow.service", "fg-slow-broken.service"} {
		go func() { results <- u.Start(t.Context(), unit) }()
	}
	time.Sleep(300 * time.Millisecond)
	sh(t, "systemctl daemon-reexec")
	var failed *systemd.StartError
	for range 2 {
		if err := <-results; err != nil && !errors.As(err, &failed) {
			t.Error(err)
		}
	}
	if failed == nil || failed.Unit != "fg-slow-broken.service" || failed.Exit != 3 {
		t.Errorf("the broken unit: %+v", failed)
	}
	if got := strings.TrimSpace(sh(t, "systemctl is-active fg-slow.service")); got != "active" {
		t.Errorf("Start came back while the unit was %s", got)
	}
	startListStop(t, u)
}

func install(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join("/etc/systemd/system", name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func hide(t *testing.T, path string) {
	t.Helper()
	if err := os.Rename(path, path+".hidden"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Rename(path+".hidden", path) })
}

func sh(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}
