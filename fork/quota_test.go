package fork

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"forkgate/tests/need"

	"github.com/containerd/btrfs/v2"
	"golang.org/x/sys/unix"
)

const mib = 1 << 20

// pour writes up to n bytes to a new file, to the disk, and returns the error that stopped it.
func pour(t testing.TB, path string, n int) error {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	chunk := make([]byte, mib)
	for range n / mib {
		if _, err := f.Write(chunk); err != nil {
			return err
		}
	}
	return f.Sync()
}

func makeSmall(t testing.TB, s *Store, parent Tree, tag string) Tree {
	t.Helper()
	made, _, err := s.Fork(context.Background(), parent, tag, "alice", Limits{Quota: 32 * mib})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestQuotaStopsOneForkAndNobodyElse(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	if err := pour(t, s.Dirs(demo).Data+"/shared", 64*mib); err != nil { // more than the quota: what is shared costs a fork nothing
		t.Fatal(err)
	}
	keepSpares(t, s) // the one fork is made of a spare, the other of none
	full, other := makeSmall(t, s, demo, "full"), makeSmall(t, s, demo, "other")
	for _, dir := range []string{s.Dirs(full).Data, s.Dirs(full).Docker, s.Dirs(full).Home} {
		if err := pour(t, dir+"/file", 64*mib); !errors.Is(err, unix.EDQUOT) {
			t.Errorf("a fork of 32 MiB wrote 64 in %s: %v", filepath.Base(dir), err)
		}
	}
	if used, err := s.Used(full); err != nil || used < 24*mib || used > 32*mib {
		t.Errorf("%d bytes are used, %v", used, err)
	}
	if used, err := s.Used(other); err != nil || used > 4*mib {
		t.Errorf("of the fork that wrote nothing %d bytes are used, %v", used, err)
	}
	if err := errors.Join(pour(t, s.Dirs(demo).Data+"/file", 64*mib), pour(t, s.Dirs(other).Data+"/file", 16*mib)); err != nil {
		t.Errorf("production, and the other fork: %v", err)
	}
	if _, err := s.Used(demo); !errors.Is(err, ErrGrand) {
		t.Errorf("production has a quota group: %v", err)
	}
	// Who is full can make room.
	if err := os.Remove(s.Dirs(full).Data + "/file"); err != nil {
		t.Fatal(err)
	}
	if err := syncPool(s.pool); err != nil {
		t.Fatal(err)
	}
	if err := pour(t, s.Dirs(full).Data+"/again", 8*mib); err != nil {
		t.Errorf("after making room: %v", err)
	}
	wantGroups(t, s)
}

// A subvolume made inside of a fork is the way round a limit on the fork's subvolume alone: that is the control.
func TestNestedSubvolumesCountForTheFork(t *testing.T) {
	s := newStore(t, Options{})
	fork := makeSmall(t, s, createRepo(t, s, "demo", Source{}), "one")
	attack := func(top string) error {
		inside := top + "/inside"
		if err := errors.Join(btrfs.SubvolCreate(inside), btrfs.SubvolCreate(inside+"/deeper")); err != nil {
			return err
		}
		return errors.Join(pour(t, inside+"/file", 24*mib), pour(t, inside+"/deeper/file", 24*mib), pour(t, top+"/file", 24*mib))
	}
	if err := attack(s.Dirs(fork).Data); !errors.Is(err, unix.EDQUOT) {
		t.Errorf("a fork of 32 MiB wrote 72 with nested subvolumes: %v", err)
	}
	alone := s.pool + "/alone"
	if err := btrfs.SubvolCreate(alone); err != nil {
		t.Fatal(err)
	}
	limitAlone(t, s, alone, 32*mib)
	if err := pour(t, alone+"/file", 64*mib); !errors.Is(err, unix.EDQUOT) {
		t.Fatalf("the control has no limit: %v", err)
	}
	if err := errors.Join(os.Remove(alone+"/file"), syncPool(s.pool)); err != nil {
		t.Fatal(err)
	}
	if err := attack(alone); err != nil {
		t.Errorf("the control, a limit on the subvolume alone, held: %v", err)
	}
}

// limitAlone limits the group that each subvolume has of itself.
func limitAlone(t *testing.T, s *Store, path string, quota uint64) {
	t.Helper()
	id, err := btrfs.SubvolID(path)
	if err != nil {
		t.Fatal(err)
	}
	args := [6]uint64{id, limitReferenced, quota}
	if err := s.withPool(func(pool *os.File) error { return ioctl(pool, ioctlQgroupLimit, unsafe.Pointer(&args)) }); err != nil {
		t.Fatal(err)
	}
}

// A full fork with subvolumes in it is removed like any other, and of forks that are gone no group is left, their subvolumes'
// own included.
func TestRemovalLeavesNoGroups(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	before := allGroups(t, s)
	fork := makeSmall(t, s, demo, "one")
	inside := s.Dirs(fork).Data + "/inside"
	if err := btrfs.SubvolCreate(inside); err != nil {
		t.Fatal(err)
	}
	if err := pour(t, inside+"/file", 64*mib); !errors.Is(err, unix.EDQUOT) {
		t.Fatal(err)
	}
	child := makeFork(t, s, makeFork(t, s, demo, "two"), "three") // shares what its parent wrote
	if err := pour(t, s.Dirs(child).Data+"/file", 8*mib); err != nil {
		t.Fatal(err)
	}
	for _, t2 := range s.Forks("demo") {
		if err := s.Remove(context.Background(), t2.GUID); err != nil {
			t.Fatal(err)
		}
	}
	wantGroups(t, s)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if err := s.withPool(commit); err != nil {
			t.Fatal(err)
		}
		if err := s.sweepGroups(); err != nil {
			t.Fatal(err)
		}
		left := slices.DeleteFunc(allGroups(t, s), func(id uint64) bool { return slices.Contains(before, id) })
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("these groups are left: %v", left)
		}
	}
}

func allGroups(t *testing.T, s *Store) (ids []uint64) {
	t.Helper()
	err := s.withPool(func(pool *os.File) (err error) {
		ids, err = groups(pool)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// A group that an earlier tree of the slot left behind counts for nothing.
func TestASlotStartsAnew(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	slot := demo.Slot + 1
	stray := s.pool + "/stray"
	err := errors.Join(s.makeGroup(slot, 8*mib), btrfs.SubvolCreate(stray), pour(t, stray+"/file", 4*mib), s.withPool(func(pool *os.File) error {
		id, err := btrfs.SubvolID(stray)
		return errors.Join(err, join(pool, id, slot))
	}))
	if err != nil {
		t.Fatal(err)
	}
	fork := makeSmall(t, s, demo, "one")
	if used, err := s.Used(fork); fork.Slot != slot || err != nil || used > mib {
		t.Errorf("slot %d, and a new fork has %d bytes charged to it, %v", fork.Slot, used, err)
	}
	if err := pour(t, s.Dirs(fork).Data+"/file", 16*mib); err != nil {
		t.Errorf("the old limit is in force: %v", err)
	}
}

func TestAForkNeedsAQuota(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	if _, _, err := s.Fork(context.Background(), demo, "one", "alice", Limits{Memory: 1 << 30}); err == nil || len(s.Forks("demo")) > 0 {
		t.Errorf("a fork was made without one: %v", err)
	}
}

func TestPoolWithOtherQuotas(t *testing.T) {
	need.Tools(t, "btrfs")
	pool := need.Btrfs(t)
	if err := run(context.Background(), "btrfs", "quota", "enable", pool); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Options{Pool: pool, Registry: filepath.Join(t.TempDir(), "registry.db"), End: noPods})
	if !errors.Is(err, ErrNoQuota) || !strings.Contains(err.Error(), "btrfs quota disable") {
		t.Errorf("%v, want %v and what to do", err, ErrNoQuota)
	}
}

// What a kernel before 6.7 answers.
func TestKernelWithoutSimpleQuotas(t *testing.T) {
	for _, says := range []error{unix.EINVAL, unix.ENOTTY} {
		if err := noQuota(says); !errors.Is(err, ErrNoQuota) || !strings.Contains(err.Error(), "bookworm-backports") {
			t.Errorf("%v, want %v and what to do", err, ErrNoQuota)
		}
	}
	if err := noQuota(unix.EPERM); !errors.Is(err, ErrNoQuota) || !errors.Is(err, unix.EPERM) {
		t.Error(err)
	}
}
