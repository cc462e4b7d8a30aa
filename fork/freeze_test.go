package fork

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A frozen fork cannot be written, removed or extended, does not expire, and can be forked; thawed it is as it was, and its time begins again.
func TestFreeze(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	limits := roomy
	limits.TTL = 3600
	old, _, err := s.Fork(t.Context(), demo, "old", "alice", limits)
	must(t, err)
	write(t, s.Dirs(old).Data+"/file", "as it was")

	frozen, err := s.Freeze(old.GUID)
	if err != nil || frozen.Frozen.IsZero() || !frozen.Expires.IsZero() {
		t.Fatalf("frozen it is %+v, %v", frozen, err)
	}
	if again, err := s.Freeze(old.GUID); err != nil || !again.Frozen.Equal(frozen.Frozen) {
		t.Errorf("again it is %+v, %v", again, err)
	}
	for _, dir := range []string{s.Dirs(old).Data, s.Dirs(old).Home} {
		if err := os.Mkdir(filepath.Join(dir, "new"), 0o700); !errors.Is(err, syscall.EROFS) {
			t.Errorf("root writes to %s: %v", dir, err)
		}
	}
	if err := s.Remove(t.Context(), old.GUID); !errors.Is(err, ErrFrozen) {
		t.Errorf("removed it says %v", err)
	}
	if still, err := s.Extend(old.GUID); err != nil || !still.Expires.IsZero() {
		t.Errorf("extended it is %+v, %v", still, err)
	}
	child := makeFork(t, s, frozen, "child")
	write(t, s.Dirs(child).Data+"/file", "changed")
	wantContent(t, s.Dirs(old).Data+"/file", "as it was")

	thawed, err := s.Thaw(old.GUID)
	if err != nil || !thawed.Frozen.IsZero() || time.Until(thawed.Expires) < 59*time.Minute {
		t.Fatalf("thawed it is %+v, %v", thawed, err)
	}
	write(t, s.Dirs(old).Data+"/file", "written")
	must(t, s.Remove(t.Context(), old.GUID))

	for what, do := range map[string]func(string) (Tree, error){"freeze": s.Freeze, "thaw": s.Thaw} {
		if _, err := do(newGUID()); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of nothing: %v", what, err)
		}
	}
	if _, err := s.Freeze(demo.GUID); !errors.Is(err, ErrGrand) {
		t.Errorf("production is frozen: %v", err)
	}
}

// Where production is about to meet a full disk, frozen forks go as well, and last.
func TestFrozenForksAreTheLastToGo(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	first := makeFork(t, s, demo, "first")
	makeFork(t, s, demo, "second")
	_, err := s.Freeze(first.GUID)
	must(t, err)
	if order := s.inOrder(Room{}); order[0].Tag != "second" || order[1].Tag != "first" {
		t.Errorf("they go as %s", refs(order))
	}
	must(t, s.end(context.Background(), first))
	if _, ok := s.Get(first.GUID); ok {
		t.Error("it is still there")
	}
}

// A fork has one name, which nobody else has, also after a start.
func TestRename(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	one, two := makeFork(t, s, demo, "one"), makeFork(t, s, demo, "two")
	for tag, want := range map[string]error{"two": ErrExists, "one": ErrExists, "../x": nil, "": nil} {
		if _, err := s.Rename(one.GUID, tag); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("renamed to %q: %v", tag, err)
		}
	}
	if _, err := s.Rename(demo.GUID, "x"); !errors.Is(err, ErrGrand) {
		t.Errorf("production has a tag: %v", err)
	}
	if _, err := s.Rename(newGUID(), "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("of nothing: %v", err)
	}
	if now, err := s.Rename(one.GUID, "three"); err != nil || now.Ref() != "demo:three" {
		t.Fatalf("renamed it is %+v, %v", now, err)
	}
	check := func(s *Store) {
		t.Helper()
		if got, ok := s.Find("demo", "three"); !ok || got.GUID != one.GUID {
			t.Errorf("demo:three is %+v", got)
		}
		if got, ok := s.Find("demo", "two"); !ok || got.GUID != two.GUID {
			t.Errorf("demo:two is %+v", got)
		}
		if got, ok := s.Find("demo", "one"); ok {
			t.Errorf("demo:one is %+v", got)
		}
	}
	check(s)
	must(t, s.Close())
	s = openStore(t, s.opts)
	check(s)
	if err := s.RemoveNamed(t.Context(), one); !errors.Is(err, ErrRenamed) {
		t.Errorf("by its old name it is removed: %v", err)
	}
	check(s)
	makeFork(t, s, demo, "one") // its old name is free
	now, _ := s.Find("demo", "three")
	if err := s.RemoveNamed(t.Context(), now); err != nil {
		t.Errorf("control: %v", err)
	}
}
