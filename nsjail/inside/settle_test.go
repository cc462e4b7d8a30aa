package inside

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Images and volumes stay; containers, swarm, and what builds have left go, with their layers and the short names of these. It is done once for a
// directory's owner.
func TestSettle(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	layer := func(id, short string) {
		t.Helper()
		write("overlay2/"+id+"/diff/file", id)
		write("overlay2/"+id+"/link", short)
		if err := os.MkdirAll(filepath.Join(root, "overlay2/l"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../"+id+"/diff", filepath.Join(root, "overlay2/l", short)); err != nil {
			t.Fatal(err)
		}
	}
	for id, short := range map[string]string{"image": "AA", "container": "BB", "container-init": "CC", "cache": "DD", "orphan": "EE"} {
		layer(id, short)
	}
	write("image/overlay2/layerdb/sha256/1/cache-id", "image")
	write("image/overlay2/layerdb/mounts/c1/mount-id", "container")
	write("image/overlay2/layerdb/mounts/c1/init-id", "container-init")
	write("overlay2/backingFsBlockDev", "")
	write("volumes/data/_data/file", "kept")
	write("buildkit/cache.db", "secret")
	write("swarm/state.json", "{}")
	write("containers/c1/config.v2.json", "{}")
	if err := settle(root, "fork"); err != nil {
		t.Fatal(err)
	}
	listed := func(dir string) (names []string) {
		t.Helper()
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	for dir, want := range map[string][]string{
		"": {settledFile, "image", "overlay2", "volumes"}, "overlay2": {"backingFsBlockDev", "image", "l"}, "overlay2/l": {"AA"}, "volumes/data/_data": {"file"},
		"image/overlay2/layerdb/mounts": nil,
	} {
		if got := listed(dir); !slices.Equal(got, want) {
			t.Errorf("%q has %q, want %q", dir, got, want)
		}
	}
	layer("mine", "FF") // what the fork's own daemon makes stays
	write("buildkit/cache.db", "mine")
	if err := settle(root, "fork"); err != nil || !slices.Contains(listed("overlay2"), "mine") || !slices.Contains(listed(""), "buildkit") {
		t.Errorf("settled again it has %q, %v", listed(""), err)
	}
	if err := settle(root, "of-the-fork"); err != nil || slices.Contains(listed("overlay2"), "mine") || !slices.Contains(listed("overlay2"), "image") {
		t.Errorf("a fork of it has %q, %v", listed("overlay2"), err)
	}
}

// Where it cannot be read which layers are images', none is taken for unknown.
func TestSettleFailsClosed(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"overlay2/image/diff", "image/overlay2/layerdb/sha256/1/cache-id"} { // a directory, which cannot be read as a file
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := settle(root, "fork"); err == nil {
		t.Error("it is settled")
	}
	if _, err := os.Stat(filepath.Join(root, "overlay2/image/diff")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(root, settledFile)); err == nil {
		t.Error("it says that it is settled")
	}
}
