package fork

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"forkgate/tests/need"

	"golang.org/x/sys/unix"
)

// fill leaves no room in the pool, neither for data nor for the filesystem's own.
func fill(t *testing.T, s *Store) {
	t.Helper()
	f, err := os.Create(s.pool + "/filler")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := int64(0)
	for chunk := int64(256 << 20); chunk >= 4096; chunk /= 2 {
		for err = nil; err == nil; at += chunk {
			err = unix.Fallocate(int(f.Fd()), 0, at, chunk)
		}
		if at -= chunk; !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(s.pool+"/small", 0o700); err != nil {
		return
	}
	for i, note := 0, make([]byte, 3000); ; i++ { // attributes live among the metadata
		name := fmt.Sprintf("%s/small/%d", s.pool, i)
		if err := errors.Join(os.WriteFile(name, nil, 0o600), unix.Setxattr(name, "user.note", note, 0)); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			return
		}
	}
}

func TestFullPoolMakesNoForks(t *testing.T) {
	s := newStore(t, Options{Pool: need.BtrfsOf(t, 128<<20)})
	demo := createRepo(t, s, "demo", Source{})
	write(t, s.Dirs(demo).Data+"/file", "production")
	reached := false
	s.opts.step = func(string) error { reached = true; return nil }
	fill(t, s)
	_, _, err := s.Fork(context.Background(), demo, "one", "alice", roomy)
	if !errors.Is(err, ErrPoolFull) || reached {
		t.Errorf("%v, want %v before anything is made", err, ErrPoolFull)
	}
	if _, err := s.CreateRepo(context.Background(), "shop", Source{}, nil); !errors.Is(err, ErrPoolFull) {
		t.Errorf("%v, want %v", err, ErrPoolFull)
	}
	wantEmpty(t, s.pool, "forks")
	if err := errors.Join(os.Remove(s.pool+"/filler"), os.RemoveAll(s.pool+"/small"), syncPool(s.pool)); err != nil { // the space is back after a commit
		t.Fatal(err)
	}
	makeFork(t, s, demo, "one")
}

// The pool fills up between two steps. Whether the kernel still has room for a snapshot is its business: the fork is whole
// or not there.
func TestPoolThatFillsUpDuringAFork(t *testing.T) {
	for _, at := range []string{"check", "record", "mkdir", "root", "directory"} {
		t.Run(at, func(t *testing.T) {
			s := newStore(t, Options{Pool: need.BtrfsOf(t, 128<<20)})
			demo := createRepo(t, s, "demo", Source{})
			write(t, s.Dirs(demo).Data+"/file", "production")
			s.opts.step = func(name string) error {
				if name == at {
					fill(t, s)
				}
				return nil
			}
			fork, _, err := s.Fork(context.Background(), demo, "one", "alice", roomy)
			t.Logf("filled after %s: %v", at, err)
			if err == nil {
				wantContent(t, s.Dirs(fork).Data+"/file", "production")
				return
			}
			if !errors.Is(err, ErrPoolFull) {
				t.Errorf("%v, want %v", err, ErrPoolFull)
			}
			wantEmpty(t, s.pool, "forks")
			if s.registry.taken("demo", "one") {
				t.Error("a record is left")
			}
		})
	}
}

func TestImportThatDoesNotFit(t *testing.T) {
	s := newStore(t, Options{Pool: need.BtrfsOf(t, 128<<20)})
	big := tar.Header{Name: "file", Typeflag: tar.TypeReg, Mode: 0o600, Linkname: strings.Repeat("production", 16<<20)}
	archive := makeTar(t, big)
	_, err := s.CreateRepo(context.Background(), "demo", Source{Tar: archive}, nil)
	if !errors.Is(err, ErrPoolFull) || strings.Contains(err.Error(), "\n") {
		t.Errorf("a repository: %v, want %v on one line", err, ErrPoolFull)
	}
	wantEmpty(t, s.pool, "repos")
	rewind(t, archive)
	before := s.CurrentRootfs()
	if _, err := s.ImportRootfs(context.Background(), archive, nil); !errors.Is(err, ErrPoolFull) {
		t.Errorf("a rootfs: %v, want %v", err, ErrPoolFull)
	}
	if s.CurrentRootfs() != before {
		t.Error("half a rootfs is in use")
	}
	wantEmpty(t, s.pool, "repos", "spare")
}
