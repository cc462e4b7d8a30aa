package fork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"forkgate/nsjail/idmap"

	"github.com/containerd/btrfs/v2"
)

func TestForkIsACopyAtOneInstant(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	write(t, s.Dirs(demo).Data+"/data", "production")
	write(t, s.Dirs(demo).Docker+"/volume", "production")
	write(t, s.Dirs(demo).Home+"/.ssh", "secret")

	one := makeFork(t, s, demo, "one")
	write(t, s.Dirs(demo).Data+"/data", "later")
	write(t, s.Dirs(one).Docker+"/volume", "fork")
	two := makeFork(t, s, one, "two")

	wantContent(t, s.Dirs(one).Data+"/data", "production")
	wantContent(t, s.Dirs(demo).Docker+"/volume", "production")
	wantContent(t, s.Dirs(two).Docker+"/volume", "fork")
	if _, err := os.Lstat(s.Dirs(one).Home + "/.ssh"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a home was forked: %v", err)
	}
	if err := os.WriteFile(s.Dirs(one).Root+"/planted", nil, 0o600); err == nil {
		t.Error("the rootfs of a fork can be written")
	}
	if one.Grand || one.Parent != demo.GUID || two.Parent != one.GUID || two.Repo != "demo" || one.Owner != "alice" {
		t.Errorf("wrong records: %+v %+v", one, two)
	}
}

func TestForkStoresNothingAsTheHostsUsers(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	for _, tree := range []Tree{demo, makeFork(t, s, demo, "one")} {
		d := s.Dirs(tree)
		wantOwner(t, d.Data, idmap.Foreign+7111)
		for _, dir := range []string{d.Docker, d.Home, d.Root, d.Root + "/bin/sh", d.Root + "/var/lib/docker"} {
			wantOwner(t, dir, idmap.Foreign)
		}
		for _, dir := range []string{d.Base, d.Tree} {
			wantOwner(t, dir, 0)
		}
	}
}

func TestForkIsMadeOnceForAllWhoAsk(t *testing.T) {
	for _, callers := range []int{2, 5, 16} {
		t.Run(fmt.Sprint(callers), func(t *testing.T) {
			s := newStore(t, Options{})
			demo := createRepo(t, s, "demo", Source{})
			var wg sync.WaitGroup
			made, forks := make([]bool, callers), make([]Tree, callers)
			for i := range callers {
				wg.Go(func() {
					fork, steps, err := s.Fork(context.Background(), demo, "same", fmt.Sprintf("caller-%d", i), roomy)
					if err != nil {
						t.Error(err)
					}
					forks[i], made[i] = fork, len(steps) > 0
				})
			}
			wg.Wait()
			makers := 0
			for i := range callers {
				if forks[i].GUID != forks[0].GUID {
					t.Errorf("two forks: %+v and %+v", forks[i], forks[0])
				}
				if made[i] {
					makers++
					if forks[i].Owner != fmt.Sprintf("caller-%d", i) {
						t.Errorf("caller %d made the fork, %s owns it", i, forks[i].Owner)
					}
				}
			}
			entries, _ := os.ReadDir(filepath.Join(s.pool, "forks"))
			if makers != 1 || len(entries) != 1 {
				t.Errorf("made %d times, %d directories", makers, len(entries))
			}
		})
	}
}

// A caller who has too many forks must not take those down with him who ask for the same tag and may have it.
func TestForkFailureOfAnotherIsNotMine(t *testing.T) {
	s := newStore(t, Options{Share: most(1)})
	demo := createRepo(t, s, "demo", Source{})
	makeFork(t, s, demo, "his")
	for range 20 {
		var wg sync.WaitGroup
		wg.Go(func() { _, _, _ = s.Fork(context.Background(), demo, "same", "alice", roomy) })
		wg.Go(func() {
			fork, _, err := s.Fork(context.Background(), demo, "same", "bob", roomy)
			if err != nil || fork.Owner != "bob" {
				t.Errorf("bob got %+v, %v", fork, err)
			}
		})
		wg.Wait()
		fork, _ := s.Find("demo", "same")
		if err := s.Remove(context.Background(), fork.GUID); err != nil {
			t.Fatal(err)
		}
	}
}

// All that an owner's forks may come to is bounded when one is made, by what each of them is bounded by.
func TestWhatForksComeTo(t *testing.T) {
	s := newStore(t, Options{Share: func() Share { return Share{Forks: 8, Quota: 5 << 30} }})
	demo := createRepo(t, s, "demo", Source{})
	of := func(owner, tag string, quota uint64) error {
		limits := roomy
		limits.Quota = quota
		_, _, err := s.Fork(context.Background(), demo, tag, owner, limits)
		return err
	}
	if err := errors.Join(of("alice", "a", 2<<30), of("alice", "b", 2<<30), of("alice", "c", 1<<30), of("bob", "d", 5<<30)); err != nil {
		t.Fatal(err)
	}
	if err := of("alice", "e", 1<<20); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "5.0 are allowed") {
		t.Errorf("one more: %v", err)
	}
	if _, there := s.Find("demo", "e"); there {
		t.Error("something is left of it")
	}
	b, _ := s.Find("demo", "b")
	if err := errors.Join(s.Remove(context.Background(), b.GUID), of("alice", "e", 2<<30)); err != nil {
		t.Errorf("in the place of one that is gone: %v", err)
	}
}

func TestForkRefusals(t *testing.T) {
	s := newStore(t, Options{Share: most(2)})
	demo := createRepo(t, s, "demo", Source{})
	shop := createRepo(t, s, "shop", Source{})
	if err := btrfs.SubvolCreate(s.Dirs(shop).Data + "/nested"); err != nil {
		t.Fatal(err)
	}
	makeFork(t, s, demo, "one")
	gone := makeFork(t, s, demo, "two")
	for _, c := range []struct {
		name, tag, owner string
		parent           Tree
		want             error
	}{
		{"a third fork", "three", "alice", demo, ErrTooManyForks},
		{"nested subvolumes", "one", "bob", shop, ErrNested},
		{"an unknown parent", "three", "bob", Tree{Repo: "demo", GUID: newGUID(), Grand: true}, ErrNotFound},
		{"nobody's fork", "three", "", demo, nil},
		{"a path as tag", "../../x", "bob", demo, nil},
	} {
		_, _, err := s.Fork(context.Background(), c.parent, c.tag, c.owner, roomy)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if err := s.Remove(context.Background(), gone.GUID); err != nil {
		t.Fatal(err)
	}
	makeFork(t, s, demo, "three")
	if n := len(s.Forks("")); n != 2 {
		t.Errorf("%d forks, want 2", n)
	}
}

func TestForkThatFailsLeavesNothing(t *testing.T) {
	for _, step := range []string{"check", "record", "mkdir", "root", "directory", "snapshot", "ready"} {
		t.Run(step, func(t *testing.T) {
			s := newStore(t, Options{})
			demo := createRepo(t, s, "demo", Source{})
			s.opts.step = mustFail(step)
			if _, _, err := s.Fork(context.Background(), demo, "one", "alice", roomy); err == nil {
				t.Fatal("the step did not fail")
			}
			s.opts.step = func(string) error { return nil }
			wantEmpty(t, s.pool, "forks")
			if all := s.registry.list(func(Tree) bool { return true }); len(all) != 1 {
				t.Errorf("left in the registry: %v", all)
			}
			wantGroups(t, s)
			makeFork(t, s, demo, "one")
		})
	}
}

func TestForkSteps(t *testing.T) {
	s := newStore(t, Options{})
	_, steps, err := s.Fork(context.Background(), createRepo(t, s, "demo", Source{}), "one", "alice", roomy)
	if err != nil {
		t.Fatal(err)
	}
	var names string
	for _, step := range steps {
		names += step.Name + " "
		if step.Took <= 0 {
			t.Errorf("%s took %v", step.Name, step.Took)
		}
	}
	if names != "check record quota directory snapshot ready " {
		t.Errorf("steps: %s", names)
	}
}

// When a fork's time is over stands in its record, and its own ttl says how much it is given again.
func TestForksExpire(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	kept := makeFork(t, s, demo, "kept")
	limits := roomy
	limits.TTL = 3600
	hour, _, err := s.Fork(t.Context(), demo, "hour", "alice", limits)
	if err != nil {
		t.Fatal(err)
	}
	if lives := hour.Expires.Sub(hour.Made); lives != time.Hour || !kept.Expires.IsZero() {
		t.Errorf("it lives for %v; the one without a ttl until %v", lives, kept.Expires)
	}
	again, err := s.Extend(hour.GUID)
	if err != nil || !again.Expires.After(hour.Expires) {
		t.Errorf("extended until %v, before until %v: %v", again.Expires, hour.Expires, err)
	}
	if found, _ := s.Find("demo", "hour"); !found.Expires.Equal(again.Expires) {
		t.Errorf("the record has %v, want %v", found.Expires, again.Expires)
	}
	if still, err := s.Extend(kept.GUID); err != nil || !still.Expires.IsZero() {
		t.Errorf("one without a ttl is kept until %v: %v", still.Expires, err)
	}
	if _, err := s.Extend(demo.GUID); !errors.Is(err, ErrGrand) {
		t.Errorf("a repository: %v", err)
	}
	if _, err := s.Extend(newGUID()); !errors.Is(err, ErrNotFound) {
		t.Errorf("none: %v", err)
	}
}
