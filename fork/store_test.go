package fork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/need"

	"github.com/containerd/btrfs/v2"
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
		{"read-only", bind("nosuid,nodev,noexec,ro"), registry, ErrPoolFlags, "read-only"},
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

func TestRemove(t *testing.T) {
	var ended []string
	s := newStore(t, Options{})
	s.opts.End = func(_ context.Context, guid string) error {
		tree, _ := s.registry.get(guid)
		if _, err := os.Stat(s.Dirs(tree).Data); err != nil {
			t.Errorf("the files went before the pod: %v", err)
		}
		if _, found := s.Get(guid); found {
			t.Error("one can still enter what is being removed")
		}
		ended = append(ended, guid)
		return nil
	}
	ctx := context.Background()
	demo := createRepo(t, s, "demo", Source{})
	one := makeFork(t, s, demo, "one")
	two := makeFork(t, s, one, "two")

	if err := s.Remove(ctx, demo.GUID); !errors.Is(err, ErrGrand) {
		t.Errorf("a grand repository was removed as a fork: %v", err)
	}
	if err := s.RemoveRepo(ctx, "demo"); !errors.Is(err, ErrHasForks) {
		t.Errorf("a repository with forks was removed: %v", err)
	}
	for _, err := range []error{s.Remove(ctx, one.GUID), s.Remove(ctx, two.GUID), s.RemoveRepo(ctx, "demo")} {
		if err != nil {
			t.Error(err)
		}
	}
	if want := fmt.Sprint([]string{one.GUID, two.GUID, demo.GUID}); fmt.Sprint(ended) != want {
		t.Errorf("ended %v, want %v", ended, want)
	}
	wantEmpty(t, s.pool, "repos", "forks")
	if err := s.Remove(ctx, one.GUID); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

// As long as its pod lives, a fork keeps its slot: another's pod would get the same ids.
func TestRemoveWithAPodThatLives(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	one := makeFork(t, s, demo, "one")
	s.opts.End = func(context.Context, string) error { return errors.New("it hangs") }
	if err := s.Remove(context.Background(), one.GUID); err == nil {
		t.Fatal("removed")
	}
	if _, ok := s.Find("demo", "one"); ok {
		t.Error("one can still enter it")
	}
	if _, _, err := s.Fork(context.Background(), demo, "one", "alice"); !errors.Is(err, ErrRemoving) {
		t.Errorf("%v, want %v", err, ErrRemoving)
	}
	if two := makeFork(t, s, demo, "two"); two.Slot == one.Slot {
		t.Error("the slot was given to another")
	}
	s.opts.End = noPods
	if err := s.Remove(context.Background(), one.GUID); err != nil {
		t.Error(err)
	}
	if three := makeFork(t, s, demo, "three"); three.Slot != one.Slot {
		t.Errorf("slot %d, want %d, which is free", three.Slot, one.Slot)
	}
}

func TestRemoveWithNestedSubvolumes(t *testing.T) {
	s := newStore(t, Options{})
	one := makeFork(t, s, createRepo(t, s, "demo", Source{}), "one")
	data := s.Dirs(one).Data
	for _, name := range []string{"a", "a/b", "a/b/c", "d", "d/e"} {
		if err := btrfs.SubvolCreate(filepath.Join(data, name)); err != nil {
			t.Fatal(err)
		}
	}
	if ids, err := nested(s.Dirs(one).Tree); err != nil || len(ids) != 2 {
		t.Errorf("nested: %v, %v", ids, err)
	}
	if err := s.Remove(context.Background(), one.GUID); err != nil {
		t.Error(err)
	}
	wantEmpty(t, s.pool, "forks")
}

func TestReconcileTouchesNothingUnrecorded(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	lost := makeFork(t, s, demo, "lost")
	write(t, s.Dirs(demo).Data+"/file", "production")
	write(t, s.Dirs(lost).Data+"/file", "work")
	gone := createRepo(t, s, "gone", Source{})
	for _, err := range []error{s.registry.forget(demo.GUID), s.registry.forget(lost.GUID), s.raze(s.Dirs(gone).Base)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	report, err := s.Reconcile(context.Background())
	if err != nil {
		t.Error(err)
	}
	if want := fmt.Sprint([]string{s.Dirs(demo).Base, s.Dirs(lost).Base}); fmt.Sprint(report.Orphans) != want {
		t.Errorf("orphans %v, want %s", report.Orphans, want)
	}
	if len(report.Missing) != 1 || report.Missing[0].GUID != gone.GUID {
		t.Errorf("missing %v, want %v", report.Missing, gone)
	}
	wantContent(t, s.Dirs(demo).Data+"/file", "production")
	wantContent(t, s.Dirs(lost).Data+"/file", "work")
}

func TestSpares(t *testing.T) {
	s := newStore(t, Options{MaxForks: 100})
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
