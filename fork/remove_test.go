package fork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/containerd/btrfs/v2"
)

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
	for _, understood := range []string{"", "shop", "Demo"} {
		if err := s.RemoveRepo(ctx, "demo", understood); !errors.Is(err, ErrNotUnderstood) {
			t.Errorf("with %q for its name once more: %v", understood, err)
		}
	}
	if err := s.RemoveRepo(ctx, "demo", "demo"); !errors.Is(err, ErrHasForks) {
		t.Errorf("a repository with forks was removed: %v", err)
	}
	for _, err := range []error{s.Remove(ctx, one.GUID), s.Remove(ctx, two.GUID), s.RemoveRepo(ctx, "demo", "demo")} {
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

// What is removed is told of until its space is free.
func TestSpaceReturns(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	one := makeFork(t, s, demo, "one")
	open, err := os.Open(s.Dirs(one).Data) // as long as somebody has something of it open the kernel keeps it
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	returning := func() int {
		t.Helper()
		status, err := s.Status()
		if err != nil {
			t.Fatal(err)
		}
		return status.Returning
	}
	all := func() {
		t.Helper()
		for began := time.Now(); returning() > 0; time.Sleep(20 * time.Millisecond) {
			if err := syncPool(s.pool); err != nil { // the kernel begins when it has written that they are gone
				t.Fatal(err)
			}
			if time.Since(began) > time.Minute {
				t.Fatalf("%d subvolumes are not gone yet", returning())
			}
		}
	}
	all() // what a store tries when it is opened goes in the same way
	if err := s.Remove(t.Context(), one.GUID); err != nil {
		t.Fatal(err)
	}
	if returning() == 0 {
		t.Error("nothing returns, and a fork was removed that somebody has open")
	}
	open.Close()
	all()
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
	if _, _, err := s.Fork(context.Background(), demo, "one", "alice", roomy); !errors.Is(err, ErrRemoving) {
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
