package fork

import (
	"archive/tar"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"forkgate/tests/need"
)

// noPods is for stores whose trees nothing runs in.
func noPods(context.Context, string) error { return nil }

// roomy are limits that are in no test's way.
var roomy = Limits{Quota: 1 << 30}

func most(forks int) func() Share { return func() Share { return Share{Forks: forks} } }

func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	if o.End == nil {
		o.End = noPods
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// newStore has a pool of its own with a rootfs in it.
func newStore(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Pool == "" {
		o.Pool = need.Btrfs(t)
	}
	if o.Registry == "" {
		o.Registry = filepath.Join(t.TempDir(), "registry.db")
	}
	s := openStore(t, o)
	importRootfs(t, s)
	return s
}

func importRootfs(t testing.TB, s *Store, entries ...tar.Header) string {
	t.Helper()
	entries = append([]tar.Header{{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "./bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./bin/sh", Typeflag: tar.TypeReg, Mode: 0o755, Linkname: "#!"}}, entries...)
	digest, err := s.ImportRootfs(context.Background(), makeTar(t, entries...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// makeTar writes an archive with these headers as they are. The content of a regular file is its Linkname.
func makeTar(t testing.TB, entries ...tar.Header) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "archive.tar"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	w := tar.NewWriter(f)
	for _, h := range entries {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	rewind(t, f)
	return f
}

func rewind(t testing.TB, f *os.File) {
	t.Helper()
	if _, err := f.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
}

func createRepo(t testing.TB, s *Store, name string, source Source) Tree {
	t.Helper()
	repo, err := s.CreateRepo(context.Background(), name, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func makeFork(t testing.TB, s *Store, parent Tree, tag string) Tree {
	t.Helper()
	made, _, err := s.Fork(context.Background(), parent, tag, "alice", roomy)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t testing.TB, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	} else if string(got) != want {
		t.Errorf("%s holds %q, want %q", path, got, want)
	}
}

// wantOwner checks what is stored on the disk, as the host sees it.
func wantOwner(t testing.TB, path string, id int) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Error(err)
		return
	}
	if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != id || int(st.Gid) != id {
		t.Errorf("%s belongs to %d:%d on disk, want %d", path, st.Uid, st.Gid, id)
	}
}

// wantEmpty checks that nothing is left of any tree or spare.
func wantEmpty(t testing.TB, pool string, kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		entries, err := os.ReadDir(filepath.Join(pool, kind))
		if err != nil {
			t.Error(err)
		}
		if len(entries) > 0 {
			t.Errorf("left in %s: %v", kind, entries)
		}
	}
}

// wantGroups checks that each fork has its quota group, with its limit and its subvolumes in it, and that there are no others.
func wantGroups(t testing.TB, s *Store) {
	t.Helper()
	want := map[uint64]Tree{}
	for _, fork := range s.registry.list(func(t Tree) bool { return !t.Grand }) {
		want[groupOf(fork.Slot)] = fork
	}
	err := s.withPool(func(pool *os.File) error {
		ids, err := groups(pool)
		for _, id := range ids {
			fork, ok := want[id]
			if id>>levelShift == 0 {
				continue
			}
			if !ok {
				t.Errorf("quota group %x is left", id)
			}
			delete(want, id)
			if in, err := members(pool, fork.Slot); err != nil || len(in) < 3 {
				t.Errorf("in the group of %s: %v, %v", fork.Ref(), in, err)
			}
		}
		return err
	})
	if err != nil || len(want) > 0 {
		t.Errorf("forks without a quota group: %v, %v", want, err)
	}
}

func mustFail(name string) func(string) error {
	return func(step string) error {
		if step == name {
			return fmt.Errorf("the test stops here: %s", name)
		}
		return nil
	}
}
