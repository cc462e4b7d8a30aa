package doors

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"forkgate/tests/need"
)

// A file that nobody may read or run, but that is setuid, keeps what is in it.
func TestASetuidFileOfModeNothing(t *testing.T) {
	need.Root(t) // nobody else reads it
	h := build(t)
	const name = "/opt/x"
	h.put(t, name, "a shell")
	if err := os.Chmod(h.root+name, fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	h.programs["find"] = name + "\x00"
	before := h.shape(t)
	if _, err := h.Close(t.Context(), "setuid"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(h.root + name)
	if err != nil || info.Mode() != 0 || info.Size() != int64(len("a shell")) {
		t.Errorf("closed: %v, %v", info, err)
	}
	if err := h.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "undone", before, h.shape(t))
}

func TestWhatRootAloneReachesIsNoWay(t *testing.T) {
	f := shut()
	f.programs["getcap"] = "/var/images/a/python3 cap_setuid=ep\n"
	if r := row(t, f, "capabilities"); r.State != Open {
		t.Errorf("control: %+v", r)
	}
	f.put("var/images", fs.ModeDir|0o700, 0, 0)
	if r := row(t, f, "capabilities"); r.State == Open {
		t.Errorf("%+v", r)
	}
}

// What is setgid of a group that amounts to root is looked for, by find itself.
func TestFindLooksForGroups(t *testing.T) {
	need.Root(t)
	f, dir := shut(), t.TempDir()
	for name, gid := range map[string]int{"docker": 999, "ada": 1000} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Chown(name, 1001, gid), os.Chmod(name, fs.ModeSetgid|0o755)); err != nil {
			t.Fatal(err)
		}
	}
	h := f.host()
	h.Run = func(ctx context.Context, argv ...string) (string, error) {
		i := slices.Index(argv, "-ignore_readdir_race")
		return run(ctx, append([]string{"find", "-P", dir}, argv[i:]...)...)
	}
	if found, err := h.setuid(t.Context()); err != nil || !slices.Equal(found, []string{filepath.Join(dir, "docker")[1:]}) {
		t.Errorf("found %q, %v", found, err)
	}
}
