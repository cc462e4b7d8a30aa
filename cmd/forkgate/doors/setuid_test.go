package doors

import (
	"io/fs"
	"os"
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
