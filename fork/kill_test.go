package fork

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"forkgate/tests/need"
)

// TestKilledWhileCopying kills the process while tar unpacks for it: tar ends as well, and the rest can be removed.
func TestKilledWhileCopying(t *testing.T) {
	pool, registry := need.Btrfs(t), filepath.Join(t.TempDir(), "registry.db")
	s := newStore(t, Options{Pool: pool, Registry: registry})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("/proc/self/exe", "-test.run=^TestCrashChild$")
	child.Env = append(os.Environ(), "FORKGATE_TEST_SCENE=create from a pipe", "FORKGATE_TEST_POOL="+pool, "FORKGATE_TEST_REGISTRY="+registry)
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Process.Kill()
	archive := makeTar(t, tar.Header{Name: "file", Typeflag: tar.TypeReg, Mode: 0o600, Linkname: strings.Repeat("production", 1<<20)})
	if _, err := io.CopyN(pipe, archive, 5<<20); err != nil {
		t.Fatal(err)
	}
	need.Eventually(t, "the copy begins", func() bool {
		found, _ := filepath.Glob(pool + "/repos/*/tree/data/file")
		return len(found) == 1 && strings.Contains(group(child.Process.Pid), "(tar)")
	})
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	need.Eventually(t, "tar ends", func() bool { return !strings.Contains(group(child.Process.Pid), "(tar)") })
	pipe.Close()
	_ = child.Wait()
	need.Eventually(t, "all end", func() bool { return group(child.Process.Pid) == "" })

	again := openStore(t, Options{Pool: pool, Registry: registry})
	report, err := again.Reconcile(context.Background())
	if err != nil || refs(report.Undone) != "[new]" {
		t.Errorf("%+v, %v", report, err)
	}
	wantEmpty(t, pool, "repos", "spare")
}

// group lists the processes of a process group that live, as "(name) ...".
func group(pgid int) (names string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, _ := os.ReadFile(path) // pid (name) state ppid pgrp: proc_pid_stat(5)
		head, rest, _ := strings.Cut(string(stat), ") ")
		var state string
		var parent, its int
		if n, _ := fmt.Sscan(rest, &state, &parent, &its); n == 3 && its == pgid && state != "Z" {
			names += head[strings.IndexByte(head, '('):] + ") "
		}
	}
	return names
}
