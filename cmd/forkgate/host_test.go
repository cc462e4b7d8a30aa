package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/gate/warden/client"
	"forkgate/tests/machine"
)

// A pool is made on a real host, whole or not at all; and a warden on it starts, reloads, and is the only one.
func TestPoolAndWardenOnAHost(t *testing.T) {
	if !machine.Within(t) {
		return
	}
	const unit = "/etc/systemd/system/" + mountUnit
	const file = stateDir + "/pool.btrfs"
	init := func() int { return run(t.Context(), []string{"pool", "init", "--size", "1G"}) }
	if err := os.MkdirAll(unit+".d", 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(why string, paths ...string) {
		t.Helper()
		for _, path := range paths {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, but %s is there: %v", why, path, err)
			}
		}
	}
	const wanted = "/etc/systemd/system/local-fs.target.wants/" + mountUnit

	write(unit, "[Mount]\nWhat=somebody's own\n")
	if code := init(); code != 1 {
		t.Errorf("with a unit in the way the exit code is %d", code)
	}
	gone("a unit was in the way", file, wanted)
	if text, _ := os.ReadFile(unit); string(text) != "[Mount]\nWhat=somebody's own\n" {
		t.Errorf("somebody's own unit is now %s", text)
	}
	os.Remove(unit)

	write(unit+".d/bad.conf", "[Mount]\nOptions=no-such-option\n")
	if code := init(); code != 1 {
		t.Errorf("with a mount that fails the exit code is %d", code)
	}
	gone("the mount failed", file, unit, wanted)
	os.RemoveAll(unit + ".d")

	write(poolDir+"/file", "")
	if code := init(); code != 1 {
		t.Errorf("with a file in the mount point the exit code is %d", code)
	}
	gone("something was in the mount point", file, unit)
	os.Remove(poolDir + "/file")

	if code := run(t.Context(), []string{"warden", "--gate-user", "nobody"}); code != 1 {
		t.Errorf("a warden without a pool ends with %d", code)
	}
	if code := init(); code != 0 {
		t.Fatalf("the exit code is %d", code)
	}
	if code := init(); code != 1 {
		t.Errorf("a second pool: %d", code)
	}
	unmount := func() {
		if out, err := exec.Command("systemctl", "disable", "--now", mountUnit).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		os.Remove(unit)
	}
	unmount()
	if code := init(); code != 1 {
		t.Errorf("a pool that has lost its unit is made anew: %d", code)
	}
	if code := run(t.Context(), []string{"pool", "init", "--existing"}); code != 0 {
		t.Fatalf("it is not mounted: %d", code)
	}
	if _, err := os.Lstat(wanted); err != nil {
		t.Errorf("the pool is not mounted at boot: %v", err)
	}
	if code := run(t.Context(), []string{"pool", "status"}); code != 0 {
		t.Errorf("pool status: %d", code)
	}
	wardenOnAHost(t)
}

func wardenOnAHost(t *testing.T) {
	if err := os.MkdirAll(policyDir+"/policy.d", 0o755); err != nil {
		t.Fatal(err)
	}
	rule := func(text string) {
		t.Helper()
		if err := os.WriteFile(policyDir+"/policy.d/p.hcl", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rule("permit \"operator\" {\n  when = door == \"operator\"\n}\n")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"warden", "--gate-user", "nobody"}) }()
	defer func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("the warden ends with %d", code)
		}
	}()
	status := func(ok func(client.StatusReply) bool) (s client.StatusReply) {
		t.Helper()
		for range 200 {
			err := withWarden(func(c *client.Client) (err error) { s, err = c.Status(ctx); return err })
			if err == nil && ok(s) {
				return s
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("status stays %+v", s)
		return s
	}
	status(func(s client.StatusReply) bool { return s.PolicyError == "" && s.PoolSize == 1<<30 })

	for path, want := range map[string]os.FileMode{
		client.Socket: 0o666 /* as in its unit: uids decide */, client.OperatorSocket: 0o600, filepath.Dir(client.OperatorSocket): 0o700,
		stateDir + "/audit": 0o700, stateDir + "/hostkeys": 0o700, stateDir + "/registry.db": 0o600, poolDir: 0o700,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if code := run(ctx, []string{"warden", "--gate-user", "nobody"}); code != 1 {
		t.Errorf("a second warden ends with %d", code)
	}
	status(func(client.StatusReply) bool { return true }) // the first one still answers

	rule("permit \"operator\" {\n  when = dor == \"operator\"\n}\n")
	if err := unix.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	broken := status(func(s client.StatusReply) bool { return s.PolicyError != "" })
	if !strings.Contains(broken.PolicyError, "p.hcl") || broken.PolicySince.IsZero() {
		t.Errorf("status of a policy that does not load is %+v", broken)
	}
	if code := run(ctx, []string{"repos"}); code != 0 {
		t.Errorf("the last good policy permits the operator, and yet: %d", code)
	}
	log, err := os.ReadFile(stateDir + "/audit/audit.jsonl")
	if err != nil || !strings.Contains(string(log), "asked to reload: policy in /etc/forkgate does not load, the last good one stays") {
		t.Errorf("the audit log is %s, %v", log, err)
	}
}
