package fork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"forkgate/tests/need"

	"github.com/containerd/btrfs/v2"
	"golang.org/x/sys/unix"
)

func TestOpenSaysWhatToDo(t *testing.T) {
	pool := need.Btrfs(t)
	registry := filepath.Join(t.TempDir(), "registry.db")
	dir := t.TempDir()
	if err := btrfs.SubvolCreate(pool + "/sub"); err != nil {
		t.Fatal(err)
	}
	mount := func(options string) string {
		where := t.TempDir()
		if out, err := exec.Command("mount", "-o", options, pool, where).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Cleanup(func() { _ = exec.Command("umount", where).Run() })
		return where
	}
	bind := func(flags string) string {
		where := mount("bind")
		if out, err := exec.Command("mount", "-o", "remount,bind,"+flags, where).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return where
	}
	broken := filepath.Join(t.TempDir(), "broken.db")
	write(t, broken, strings.Repeat("no registry", 1000))
	for _, c := range []struct {
		name, pool, registry string
		want                 error
		says                 string
	}{
		{"missing", dir + "/missing", registry, ErrNoPool, "forkgate pool init"},
		{"not mounted", dir, registry, ErrNoPool, "forkgate pool init"},
		{"no btrfs", "/proc", registry, ErrNoPool, "forkgate pool init"},
		{"a subvolume", pool + "/sub", registry, ErrNoPool, "subvolid=5"},
		{"suid", bind("suid,nodev,noexec"), registry, ErrPoolFlags, "nosuid"},
		{"dev", bind("nosuid,dev,noexec"), registry, ErrPoolFlags, "nodev"},
		{"exec", bind("nosuid,nodev,exec"), registry, ErrPoolFlags, "noexec"},
		{"read-only", bind("nosuid,nodev,noexec,ro"), registry, ErrReadOnlyPool, "read-only"},
		{"registry in a missing directory", pool, dir + "/missing/registry.db", os.ErrNotExist, "registry"},
		{"no registry", pool, broken, nil, "registry"},
	} {
		s, err := Open(Options{Pool: c.pool, Registry: c.registry, End: noPods})
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", c.name)
			continue
		}
		if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want %v, saying %q on one line", c.name, err, c.want, c.says)
		}
	}
	if _, err := Open(Options{Pool: pool, Registry: registry}); err == nil {
		t.Error("opened although nothing ends pods")
	}
	wantEmpty(t, pool, "sub")
	if made, _ := filepath.Glob(pool + "/*"); len(made) != 1 {
		t.Errorf("a refused Open left %v", made)
	}
}

func TestOpenWithoutRoot(t *testing.T) {
	runtime.LockOSThread() // the thread alone changes its user
	defer runtime.UnlockOSThread()
	if os.Geteuid() == 0 {
		become := func(uid uintptr) {
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uid, ^uintptr(0)); errno != 0 {
				t.Fatal(errno)
			}
		}
		become(65534)
		defer become(0)
	}
	if _, err := Open(Options{Pool: "/", Registry: "/nowhere", End: noPods}); !errors.Is(err, ErrNotRoot) {
		t.Errorf("%v, want %v", err, ErrNotRoot)
	}
}

// A filesystem that cannot be mounted with mapped ids stands for a kernel that cannot.
func TestOpenWithoutIdmappedMounts(t *testing.T) {
	need.Root(t)
	if _, err := checkIdmap("/proc"); !errors.Is(err, ErrNoIdmap) || !strings.Contains(err.Error(), "kernel") {
		t.Errorf("%v, want %v", err, ErrNoIdmap)
	}
}

func TestOpenTwice(t *testing.T) {
	s := newStore(t, Options{})
	_, err := Open(Options{Pool: s.pool, Registry: s.registry.db.Path(), End: noPods})
	if !errors.Is(err, ErrLocked) {
		t.Errorf("%v, want %v", err, ErrLocked)
	}
}

func TestOpenKeepsOthersOut(t *testing.T) {
	s := newStore(t, Options{})
	for _, dir := range []string{"", "repos", "forks", "rootfs", "spare"} {
		if info, err := os.Stat(filepath.Join(s.pool, dir)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
}

func TestOpenAgainFindsEverything(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	one := makeFork(t, s, demo, "one")
	makeFork(t, s, one, "two")
	before := fmt.Sprint(s.Repos(), s.Forks("demo"), s.CurrentRootfs())
	o := Options{Pool: s.pool, Registry: s.registry.db.Path()}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, o)
	if after := fmt.Sprint(again.Repos(), again.Forks("demo"), again.CurrentRootfs()); after != before {
		t.Errorf("after\n%s\nbefore\n%s", after, before)
	}
	if fork := makeFork(t, again, demo, "one"); fork.GUID != one.GUID {
		t.Error("the fork was made a second time")
	}
}

func TestFreshTag(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	seen := map[string]bool{}
	for range 3 {
		tag := s.FreshTag("demo")
		if seen[tag] || !strings.HasPrefix(tag, "agent-") || len(tag) != len("agent-7f3k") {
			t.Errorf("tag %q", tag)
		}
		seen[tag] = true
		makeFork(t, s, demo, tag)
	}
}

func TestSpares(t *testing.T) {
	s := newStore(t, Options{Share: most(100)})
	demo := createRepo(t, s, "demo", Source{})
	keepSpares(t, s)
	for i := range 2*spareCount + 1 { // more at once than there are
		fork := makeFork(t, s, demo, fmt.Sprintf("t%d", i))
		wantContent(t, s.Dirs(fork).Root+"/bin/sh", "#!")
		wantOwner(t, s.Dirs(fork).Home, poolRoot)
	}
	waitForSpares(t, s)

	// A new rootfs makes the old spares useless.
	other, err := s.ImportRootfs(context.Background(), makeTar(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	fork := makeFork(t, s, demo, "after")
	if _, err := os.Stat(s.Dirs(fork).Root + "/bin"); fork.Rootfs != other || err == nil {
		t.Errorf("the fork got the old rootfs: %+v, %v", fork, err)
	}
}
