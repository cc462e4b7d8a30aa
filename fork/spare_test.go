package fork

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
)

// fakePods remembers for which spares something was started ahead, and for which trees it was ended.
type fakePods struct {
	mu      sync.Mutex
	running map[string]int // slots by GUID
	ended   []string
}

func (f *fakePods) options() Options {
	return Options{
		Prepare: func(_ context.Context, spare Tree, dirs Dirs) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if _, err := os.Stat(dirs.Home); err != nil {
				return err
			}
			f.running[spare.GUID] = spare.Slot
			return nil
		},
		End: func(_ context.Context, guid string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.running, guid)
			f.ended = append(f.ended, guid)
			return nil
		},
	}
}

func (f *fakePods) now() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string]int{}
	for guid, slot := range f.running {
		all[guid] = slot
	}
	return all
}

// What was started ahead is the fork's: the same GUID, the same slot.
func TestForkIsWhatWasPreparedForIt(t *testing.T) {
	pods := &fakePods{running: map[string]int{}}
	s := newStore(t, pods.options())
	demo := createRepo(t, s, "demo", Source{})
	if err := s.refill(t.Context()); err != nil {
		t.Fatal(err)
	}
	prepared := pods.now()
	if len(prepared) != spareCount {
		t.Fatalf("prepared are %v", prepared)
	}
	var slots []int
	for range spareCount {
		made := makeFork(t, s, demo, s.FreshTag("demo"))
		if slot, ok := prepared[made.GUID]; !ok || slot != made.Slot {
			t.Errorf("the fork %s in slot %d is none of those prepared: %v", made.GUID, made.Slot, prepared)
		}
		slots = append(slots, made.Slot)
	}
	cold := makeFork(t, s, demo, "cold")
	if _, ok := prepared[cold.GUID]; ok || slices.Contains(slots, cold.Slot) || cold.Slot == demo.Slot {
		t.Errorf("beyond the spares: %+v, with slots %v taken", cold, slots)
	}
	if err := s.Remove(t.Context(), cold.GUID); err != nil {
		t.Fatal(err)
	}
	if again := makeFork(t, s, demo, "again"); again.Slot != cold.Slot {
		t.Errorf("slot %d is not free again: %d", cold.Slot, again.Slot)
	}
}

// A slot that is held for a spare is nobody else's, and free when the spare is gone.
func TestSlotsOfSparesAreHeld(t *testing.T) {
	pods := &fakePods{running: map[string]int{}}
	s := newStore(t, pods.options())
	if err := s.refill(t.Context()); err != nil {
		t.Fatal(err)
	}
	held := pods.now()
	demo := createRepo(t, s, "demo", Source{})
	for guid, slot := range held {
		if demo.Slot == slot {
			t.Errorf("the repository has the slot %d of the spare %s", slot, guid)
		}
	}
	// A new rootfs makes the spares useless.
	if _, err := s.ImportRootfs(t.Context(), makeTar(t), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.refill(t.Context()); err != nil {
		t.Fatal(err)
	}
	for guid := range pods.now() {
		if _, ok := held[guid]; ok {
			t.Errorf("the spare %s of the old rootfs is still prepared", guid)
		}
	}
	for guid, slot := range pods.now() {
		if slot >= 2*spareCount {
			t.Errorf("the spare %s has slot %d: those of the dropped ones did not come free", guid, slot)
		}
	}
}

// A fork that fails gives the spare back where nothing was made of it, and ends what was started for it where something was.
func TestSparesOfForksThatFail(t *testing.T) {
	pods := &fakePods{running: map[string]int{}}
	s := newStore(t, pods.options())
	demo := createRepo(t, s, "demo", Source{})
	if err := s.refill(t.Context()); err != nil {
		t.Fatal(err)
	}
	for step, kept := range map[string]bool{"check": true, "record": true, "renamed": false, "joined root": false, "snapshot": false, "ready": false} {
		before := pods.now()
		s.opts.step = func(name string) error {
			if name == step {
				return errors.New("the disk says no")
			}
			return nil
		}
		if _, _, err := s.Fork(t.Context(), demo, "x", "alice", roomy); err == nil {
			t.Fatalf("%s: no error", step)
		}
		s.opts.step = func(string) error { return nil }
		if got, want := len(pods.now()), len(before); kept && got != want || !kept && got != want-1 {
			t.Errorf("%s: %d prepared before, %d now", step, want, got)
		}
		if got := s.spares.count(); got != len(pods.now()) {
			t.Errorf("%s: %d spares, %d prepared", step, got, len(pods.now()))
		}
		if err := s.refill(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if slots := s.registry.held; len(slots) != spareCount {
		t.Errorf("%d slots are held", len(slots))
	}
	if made := makeFork(t, s, demo, "x"); made.State != Ready {
		t.Errorf("the fork is %+v", made)
	}
}

// What an earlier process prepared is ended before it is removed, and so is what cannot be prepared.
func TestSparesOfAnEarlierProcess(t *testing.T) {
	pods := &fakePods{running: map[string]int{}}
	o := pods.options()
	s := newStore(t, o)
	if err := s.refill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := pods.now(); len(left) != 0 {
		t.Errorf("still prepared: %v", left)
	}
	wantEmpty(t, s.pool, "spare")
	s.spares = newSpares()
	s.opts.Prepare = func(context.Context, Tree, Dirs) error { return errors.New("no pod starts") }
	if err := s.refill(t.Context()); err == nil {
		t.Error("what cannot be prepared is a spare")
	}
	wantEmpty(t, s.pool, "spare")
	if len(s.registry.held) != 0 {
		t.Errorf("%d slots are held", len(s.registry.held))
	}
}
