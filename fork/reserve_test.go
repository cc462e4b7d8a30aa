package fork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"forkgate/tests/need"

	"golang.org/x/sys/unix"
)

// production is a file that is rewritten in place and put on the disk, as a database does it.
type production struct {
	file  *os.File
	size  int
	pause time.Duration // after each MiB
}

func newProduction(t *testing.T, s *Store, size int) (Tree, production) {
	t.Helper()
	demo := createRepo(t, s, "demo", Source{})
	if err := pour(t, s.Dirs(demo).Data+"/database", size); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(s.Dirs(demo).Data+"/database", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return demo, production{file: f, size: size}
}

func (p production) rewrite(from int64, with byte) error {
	page := make([]byte, mib)
	for i := range page {
		page[i] = with
	}
	for at := 0; at < p.size; at += len(page) {
		if _, err := p.file.WriteAt(page, from+int64(at)); err != nil {
			return err
		}
		if err := unix.Fdatasync(int(p.file.Fd())); err != nil {
			return err
		}
		time.Sleep(p.pause)
	}
	return nil
}

// keepReserve runs until the test ends, and collects what it says.
func keepReserve(t *testing.T, s *Store) (ended func() []Tree) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var all []Tree
	var keeping sync.WaitGroup
	keeping.Go(func() {
		s.KeepReserve(ctx, func(forks []Tree, room Room) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, forks...)
			if !room.Tight() || len(forks) > 1 && !room.Urgent() {
				t.Errorf("%s go with %d MiB free of a reserve of %d", refs(forks), room.Free/mib, room.Reserve/mib)
			}
		})
	})
	t.Cleanup(func() {
		cancel()
		keeping.Wait()
	})
	return func() []Tree {
		mu.Lock()
		defer mu.Unlock()
		return append([]Tree(nil), all...)
	}
}

// pile makes forks that share more and more of what production then rewrites, and has production rewrite all of it: 768 MiB of
// old and new data, and 384 more, in a pool of 1088. Each of the forks alone holds 96 MiB back.
func pile(t *testing.T, s *Store, pause time.Duration) (made []Tree, err error) {
	t.Helper()
	demo, p := newProduction(t, s, 384*mib)
	p.pause = pause
	for n := range 4 {
		made = append(made, makeFork(t, s, demo, fmt.Sprint("f", n)))
		quarter := production{p.file, p.size / 4, pause}
		if err := quarter.rewrite(int64(n*p.size/4), byte(n)); err != nil {
			t.Fatal(err)
		}
	}
	made = append(made, makeFork(t, s, demo, "f4"))
	for n := range 2 {
		if err := p.rewrite(0, byte(10+n)); err != nil {
			return made, err
		}
	}
	return made, nil
}

const pileSize = 1088 << 20

// Forks that write nothing fill the pool as production rewrites what they share, and no quota counts that.
func TestIdleForksFillThePool(t *testing.T) {
	s := newStore(t, Options{Pool: need.BtrfsOf(t, pileSize)})
	if _, err := pile(t, s, 0); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("the control, without anybody who keeps the reserve: %v", err)
	}
}

// With the reserve kept, production never meets a full disk: forks go, the oldest first, and no more than have to.
func TestProductionNeverMeetsAFullDisk(t *testing.T) {
	s := newStore(t, Options{Pool: need.BtrfsOf(t, pileSize)})
	ended := keepReserve(t, s)
	// The reserve of a pool this small is 108 MiB; that of a real one is ten gigabytes, and there production may hurry.
	made, err := pile(t, s, 10*time.Millisecond)
	gone := ended()
	if err != nil {
		t.Fatalf("production: %v, after the end of %s", err, refs(gone))
	}
	if len(gone) == 0 || len(gone) == len(made) {
		t.Fatalf("of %d forks %d went", len(made), len(gone))
	}
	for i, fork := range gone {
		if fork.GUID != made[i].GUID {
			t.Errorf("the %dth to go was %s, and %s is older", i, fork.Ref(), made[i].Ref())
		}
	}
	for _, fork := range made[len(gone):] {
		if _, err := os.Stat(s.Dirs(fork).Data + "/database"); err != nil {
			t.Errorf("%s went without a word: %v", fork.Ref(), err)
		}
	}
	t.Logf("of %d forks %d went", len(made), len(gone))
	wantGroups(t, s)
}

// Older forks of others, which hold nothing back, stay: their end would help nobody, and takes the time in which production fills the
// disk.
func TestWhatHoldsNothingBackStays(t *testing.T) {
	s := newStore(t, Options{Pool: need.BtrfsOf(t, pileSize)})
	other := createRepo(t, s, "other", Source{})
	var idle []Tree
	for n := range 8 {
		idle = append(idle, makeFork(t, s, other, fmt.Sprint("idle", n)))
	}
	s.opts.Share = most(16)
	demo, p := newProduction(t, s, 530*mib)
	p.pause = 10 * time.Millisecond
	old, young := makeFork(t, s, demo, "old"), makeFork(t, s, demo, "young")
	ended := keepReserve(t, s)
	for n := range 2 {
		if err := p.rewrite(0, byte(n)); err != nil {
			t.Fatalf("production: %v, after the end of %s", err, refs(ended()))
		}
	}
	if gone := ended(); len(gone) == 0 || gone[0].GUID != old.GUID || len(gone) > 2 || len(gone) == 2 && gone[1].GUID != young.GUID {
		t.Errorf("these went: %s", refs(gone))
	}
	for _, fork := range idle {
		if _, ok := s.Get(fork.GUID); !ok {
			t.Errorf("%s has gone", fork.Ref())
		}
	}
}

// What is charged to forks of forks tells what those hold back, and what cannot be told counts as much.
func TestWhatForksHold(t *testing.T) {
	s := newStore(t, Options{Pool: need.BtrfsOf(t, 2<<30)})
	demo, p := newProduction(t, s, 96*mib)
	first := makeFork(t, s, demo, "first")
	if err := pour(t, s.Dirs(first).Data+"/own", 64*mib); err != nil {
		t.Fatal(err)
	}
	second := makeFork(t, s, first, "second")
	if err := p.rewrite(0, 1); err != nil {
		t.Fatal(err)
	}
	third := makeFork(t, s, demo, "third")
	if err := os.Remove(s.Dirs(first).Data + "/own"); err != nil {
		t.Fatal(err)
	}
	if err := pour(t, s.Dirs(first).Data+"/anew", 32*mib); err != nil {
		t.Fatal(err)
	}
	if err := s.withPool(flush); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		fork     Tree
		mib, tol uint64
	}{{first, 96 + 96, 8}, {second, 32, 8}, {third, 0, 1}} {
		if got := s.holds(want.fork) / mib; got > want.mib+want.tol || got+want.tol < want.mib {
			t.Errorf("%s holds %d MiB back, not %d", want.fork.Ref(), got, want.mib)
		}
	}
	orphan := second
	orphan.Parent = newGUID()
	if s.holds(orphan) < 1<<40 {
		t.Error("what cannot be told counts as little")
	}
}

// hasty writes into memory as fast as it can, a gigabyte over what an idle fork shares, with room for a bit less than that.
func hasty(t *testing.T, s *Store) error {
	t.Helper()
	const size, room = 900 * mib, 850 * mib
	demo, p := newProduction(t, s, size)
	makeFork(t, s, demo, "idle")
	is, err := s.Room()
	if err != nil {
		t.Fatal(err)
	}
	filler, err := os.Create(s.pool + "/filler")
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	if err := unix.Fallocate(int(filler.Fd()), 0, 0, int64(is.Free)-room); err != nil {
		t.Fatal(err)
	}
	time.Sleep(seldom) // who looks at the pool has seen that it is no longer far from its reserve: no disk fills as fast as by this
	page := make([]byte, mib)
	for at := 0; at < p.size; at += len(page) {
		if _, err := p.file.WriteAt(page, int64(at)); err != nil {
			return err
		}
	}
	return p.file.Sync()
}

// What production has written into memory is not on the disk yet, and takes its room nonetheless: writing that out first, with more
// coming all the time, took longer than the room lasted.
func TestProductionMayHurry(t *testing.T) {
	t.Run("control: nobody keeps the reserve", func(t *testing.T) {
		if err := hasty(t, newStore(t, Options{Pool: need.BtrfsOf(t, 8<<30)})); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("production: %v", err)
		}
	})
	t.Run("the reserve is kept", func(t *testing.T) {
		s := newStore(t, Options{Pool: need.BtrfsOf(t, 8<<30)})
		ended := keepReserve(t, s)
		if err := hasty(t, s); err != nil {
			t.Errorf("production: %v", err)
		}
		if gone := ended(); len(gone) != 1 {
			t.Errorf("these went: %s", refs(gone))
		}
	})
}

// Each fork holds more than is missing: one has to go, and the space of one is waited for.
func TestNoForkGoesInVain(t *testing.T) {
	s := newStore(t, Options{Pool: need.BtrfsOf(t, 2<<30)})
	demo := createRepo(t, s, "demo", Source{})
	for _, tag := range []string{"old", "middle", "young"} {
		if err := pour(t, s.Dirs(makeFork(t, s, demo, tag)).Data+"/file", 300*mib); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; ; n++ {
		if room, err := s.Room(); err != nil {
			t.Fatal(err)
		} else if room.Tight() {
			break
		}
		if err := pour(t, fmt.Sprintf("%s/%d", s.Dirs(demo).Data, n), 4*mib); err != nil {
			t.Fatal(err)
		}
	}
	ended := keepReserve(t, s)
	for range 100 { // all the time that it takes one to go, and several more to follow
		if err := pour(t, s.Dirs(demo).Data+"/one", mib); err != nil {
			t.Fatal(err)
		}
	}
	if gone := ended(); len(gone) != 1 || gone[0].Tag != "old" {
		t.Errorf("these went: %s", refs(gone))
	}
	if len(s.Forks("demo")) != 2 {
		t.Errorf("left: %s", refs(s.Forks("demo")))
	}
}
