package fork

import (
	"path/filepath"
	"testing"

	"forkgate/tests/need"
)

// What lies on a shelf survives the store, and is nobody else's: not another shelf's, and no tree.
func TestAShelfKeepsWhatIsPutThere(t *testing.T) {
	need.Root(t)
	pool, registry := need.Btrfs(t), filepath.Join(t.TempDir(), "registry.db")
	first, err := Open(Options{Pool: pool, Registry: registry, End: noPods})
	if err != nil {
		t.Fatal(err)
	}
	shelf, err := first.Shelf("grants")
	if err != nil {
		t.Fatal(err)
	}
	for key, record := range map[string]string{"a": "1", "b": "2"} {
		if err := shelf.Put(key, []byte(record)); err != nil {
			t.Fatal(err)
		}
	}
	if err := shelf.Delete("a"); err != nil {
		t.Fatal(err)
	}
	if err := shelf.Delete("never there"); err != nil {
		t.Error(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := shelf.Put("c", nil); err == nil {
		t.Error("a closed registry takes a record")
	}

	again := openStore(t, Options{Pool: pool, Registry: registry})
	for name, want := range map[string]int{"grants": 1, "other": 0} {
		shelf, err := again.Shelf(name)
		if err != nil {
			t.Fatal(err)
		}
		if all, err := shelf.All(); err != nil || len(all) != want || want == 1 && string(all["b"]) != "2" {
			t.Errorf("%s: %q, %v", name, all, err)
		}
	}
	if trees := append(again.Repos(), again.Forks("")...); len(trees) != 0 {
		t.Errorf("there are trees: %+v", trees)
	}
}
