package fork

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/nsjail/idmap"
)

func TestNumbersOfASlot(t *testing.T) {
	if id := (Tree{Slot: 296}).NetworkID(); id != 21760 {
		t.Errorf("the network of slot 296 is %d, want 21760", id)
	}
	for slot := range Slots {
		t0, t1 := Tree{Slot: slot}, Tree{Slot: slot + 1}
		if t1.SubUID()-t0.SubUID() != idmap.Count {
			t.Fatalf("the ids of slots %d and %d overlap", slot, slot+1)
		}
	}
	if last := (Tree{Slot: Slots - 1}).SubUID(); uint64(last)+idmap.Count > idmap.Foreign {
		t.Errorf("slot %d has ids from %d on: the pool's own", Slots-1, last)
	}
	if (Tree{Slot: Slots}).SubUID() != idmap.Foreign {
		t.Error("the first slot that is not given out would not be the foreign range: one more could be")
	}
}

func testRegistry(t *testing.T) *registry {
	t.Helper()
	r, err := openRegistry(filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	r.db.NoSync = true
	t.Cleanup(func() { r.db.Close() })
	return r
}

func record(repo string) Tree {
	return Tree{GUID: newGUID(), Repo: repo, Grand: true, Rootfs: strings.Repeat("ab", 32), Made: time.Unix(1, 0).UTC(), State: Ready}
}

func TestSlotsAreGivenLowestFirst(t *testing.T) {
	r := testRegistry(t)
	var trees []Tree
	for _, name := range []string{"a", "b", "c"} {
		tree, err := r.claim(record(name), Share{})
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, tree)
	}
	if err := r.forget(trees[1].GUID); err != nil {
		t.Fatal(err)
	}
	for want, name := range map[int]string{1: "d"} {
		if tree, err := r.claim(record(name), Share{}); err != nil || tree.Slot != want {
			t.Errorf("slot %d, %v; want %d", tree.Slot, err, want)
		}
	}
	if tree, err := r.claim(record("e"), Share{}); err != nil || tree.Slot != 3 {
		t.Errorf("slot %d, %v; want 3", tree.Slot, err)
	}
}

func TestNoSlotLeft(t *testing.T) {
	r := testRegistry(t)
	for slot := range Slots {
		tree := record("r" + string(rune('a'+slot%26)))
		tree.Slot = slot
		r.trees[tree.GUID] = tree
	}
	if tree, err := r.claim(record("last"), Share{}); err == nil {
		t.Errorf("slot %d was given out", tree.Slot)
	}
}

func TestRegistryThatContradictsItself(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(a, b *Tree)
	}{
		{"one slot twice", func(a, b *Tree) { b.Slot = a.Slot }},
		{"one name twice", func(a, b *Tree) { b.Repo = a.Repo }},
		{"a slot out of range", func(a, b *Tree) { b.Slot = Slots }},
		{"a path as GUID", func(a, b *Tree) { b.GUID = "../../../etc" }},
		{"a path as rootfs", func(a, b *Tree) { b.Rootfs = "../../../etc" }},
		{"no state", func(a, b *Tree) { b.State = "" }},
	} {
		r := testRegistry(t)
		a, b := record("a"), record("b")
		b.Slot = 1
		c.damage(&a, &b)
		for _, tree := range []Tree{a, b} {
			if err := r.save(tree); err != nil {
				t.Fatal(err)
			}
		}
		path := r.db.Path()
		r.db.Close()
		if _, err := openRegistry(path); err == nil || !strings.Contains(err.Error(), ErrDamaged.Error()) {
			t.Errorf("%s: %v, want %v", c.name, err, ErrDamaged)
		}
	}
}

func FuzzDecodeTree(f *testing.F) {
	for _, tree := range []Tree{record("demo"), {GUID: newGUID(), Parent: newGUID(), Repo: "demo", Tag: "x", Owner: "alice",
		Rootfs: strings.Repeat("0", 64), State: Making, Slot: Slots - 1}} {
		b, err := json.Marshal(tree)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"guid":"../../etc","slot":-1,"repo":"a/b"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tree, err := decodeTree(b)
		if err != nil {
			return
		}
		s := &Store{pool: "/pool"}
		if base := s.Dirs(tree).Base; filepath.Clean(base) != base || strings.Count(base, "/") != 3 {
			t.Errorf("a path of its own: %s", base)
		}
		if root := s.rootfsDir(tree.Rootfs); filepath.Dir(root) != "/pool/rootfs" {
			t.Errorf("a path of its own: %s", root)
		}
		if uint64(tree.SubUID())+idmap.Count > idmap.Foreign || tree.SubUID() < 0x70000000 {
			t.Errorf("ids from %d on", tree.SubUID())
		}
		if tree.Grand == (tree.Tag != "") {
			t.Errorf("a grand repository with a tag, or a fork without: %+v", tree)
		}
		again, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := decodeTree(again); err != nil || second.GUID != tree.GUID || second.Slot != tree.Slot {
			t.Errorf("not the same again: %+v, %v", second, err)
		}
	})
}
