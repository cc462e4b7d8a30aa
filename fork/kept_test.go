package fork

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/need"

	"golang.org/x/sys/unix"
)

// sent is the stream of kept snapshots, each told from the one before, in a file that has no name.
func sent(s *Store, all ...Kept) (*os.File, error) {
	f, err := os.CreateTemp("", "forkgate-stream-")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name())
	for i, k := range all {
		args := []string{"send", "--quiet"}
		if i > 0 {
			args = append(args, "-p", s.KeptPath(all[i-1]))
		}
		cmd := exec.Command("btrfs", append(args, s.KeptPath(k))...)
		cmd.Stdout = f
		var complaint strings.Builder
		cmd.Stderr = &complaint
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, &complaint)
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, err
}

func keep(t *testing.T, s *Store, repo Tree) Kept {
	t.Helper()
	k, err := s.Keep(context.Background(), repo, "/mnt/backups")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// What is kept, sent as a whole and then by what has changed, is the repository again as it was, and production is not touched.
func TestKeptComesBack(t *testing.T) {
	need.Tools(t, "btrfs")
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	data := s.Dirs(demo).Data
	write(t, data+"/orders", "1")
	write(t, data+"/gone", "soon")
	if err := errors.Join(os.Chown(data+"/orders", poolSession, poolSession), unix.Setxattr(data+"/orders", "user.note", []byte("paid"), 0),
		unix.Mknod(s.Dirs(demo).Docker+"/whiteout", unix.S_IFCHR, 0), os.Link(data+"/orders", data+"/again")); err != nil {
		t.Fatal(err)
	}
	first := keep(t, s, demo)
	write(t, data+"/orders", "12")
	if err := errors.Join(os.Remove(data+"/gone"), os.Rename(data+"/again", data+"/moved")); err != nil {
		t.Fatal(err)
	}
	second := keep(t, s, demo)
	write(t, data+"/orders", "123")

	for _, c := range []struct {
		name, orders, there, not string
		kept                     []Kept
	}{
		{"whole", "1", "gone", "moved", []Kept{first}},
		{"changed", "12", "moved", "gone", []Kept{first, second}},
	} {
		stream, err := sent(s, c.kept...)
		if err != nil {
			t.Fatal(err)
		}
		back := createRepo(t, s, c.name, Source{Stream: stream, Kept: c.kept[len(c.kept)-1].ID})
		dirs := s.Dirs(back)
		wantContent(t, dirs.Data+"/orders", c.orders)
		wantOwner(t, dirs.Data+"/orders", poolSession)
		note := make([]byte, 8)
		if n, err := unix.Getxattr(dirs.Data+"/orders", "user.note", note); err != nil || string(note[:n]) != "paid" {
			t.Errorf("%s: the attribute is %q, %v", c.name, note, err)
		}
		if _, err := os.Lstat(dirs.Data + "/" + c.there); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(dirs.Data + "/" + c.not); err == nil {
			t.Errorf("%s has %s", c.name, c.not)
		}
		if _, err := os.Lstat(incoming(dirs)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("what was received is left: %v", err)
		}
		write(t, dirs.Data+"/new", "it can be written")
		makeFork(t, s, back, "x")
	}
	wantContent(t, data+"/orders", "123")
	if err := errors.Join(s.Drop(first.ID), s.Drop(first.ID)); err != nil || len(s.Kept()) != 1 {
		t.Errorf("kept are %v, %v", s.Kept(), err)
	}
	if err := s.RemoveRepo(context.Background(), "demo", "demo"); err != nil || len(s.Kept()) != 0 {
		t.Errorf("of a repository that is gone %v is kept, %v", s.Kept(), err)
	}
	wantEmpty(t, s.pool, "kept")
}

// What a stream holds decides over nothing but the repository that is made of it, and after a bad one there is none.
func TestBadStreams(t *testing.T) {
	need.Tools(t, "btrfs")
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	write(t, s.Dirs(demo).Data+"/secret", "production's")
	first := keep(t, s, demo)
	write(t, s.Dirs(demo).Data+"/more", "x")
	second := keep(t, s, demo)
	whole, err := sent(s, first, second)
	if err != nil {
		t.Fatal(err)
	}
	cut, err := sent(s, first)
	if err != nil {
		t.Fatal(err)
	}
	end, err := cut.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	if err := cut.Truncate(end - 20); err != nil {
		t.Fatal(err)
	}
	rewind(t, cut)
	// By its base, which the stream does not hold, it names a subvolume of the pool.
	pool, err := sent(s, first, second)
	if err != nil {
		t.Fatal(err)
	}
	base, err := sent(s, first)
	if err != nil {
		t.Fatal(err)
	}
	length, err := base.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	rest := func() *os.File {
		if _, err := pool.Seek(length, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		return pool
	}
	empty := makeTar(t)
	for _, c := range []struct {
		name   string
		source Source
	}{
		{"another one", Source{Stream: whole, Kept: newGUID()}},
		{"no id", Source{Stream: whole, Kept: "../" + first.ID}},
		{"cut", Source{Stream: cut, Kept: first.ID}},
		{"no stream", Source{Stream: empty, Kept: first.ID}},
		{"of what it does not hold", Source{Stream: rest(), Kept: second.ID}},
	} {
		if made, err := s.CreateRepo(context.Background(), "back", c.source, nil); !errors.Is(err, ErrSource) {
			t.Errorf("%s: %v, %v", c.name, made.Ref(), err)
		}
		if entries, err := os.ReadDir(filepath.Join(s.pool, "repos")); err != nil || len(entries) != 1 {
			t.Errorf("%s: left are %v, %v", c.name, entries, err)
		}
	}

	// The control: a program that sees the pool takes that one.
	receive := exec.Command("btrfs", "receive", "--quiet", filepath.Join(s.pool, "spare"))
	receive.Stdin = rest()
	if out, err := receive.CombinedOutput(); err != nil {
		t.Errorf("the attack does not work where nothing is in its way: %v: %s", err, out)
	}
	if err := destroy(filepath.Join(s.pool, "spare", second.ID)); err != nil {
		t.Error(err)
	}
}

// A tree that does not look like a repository's is none, whoever made it.
func TestForeignTrees(t *testing.T) {
	need.Tools(t, "btrfs")
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	dirs := s.Dirs(demo)
	for _, c := range []struct {
		name  string
		spoil func() error
	}{
		{"no data", func() error { return os.Remove(dirs.Data) }},
		{"a link for data", func() error { return os.Symlink("/", dirs.Data) }},
		{"data of root's", func() error { return errors.Join(os.Remove(dirs.Data), os.Mkdir(dirs.Data, 0o755)) }},
		{"a file for docker", func() error {
			return errors.Join(os.Chown(dirs.Data, poolSession, poolSession), os.Remove(dirs.Docker), os.WriteFile(dirs.Docker, nil, 0o600), os.Chown(dirs.Docker, poolRoot, poolRoot))
		}},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		k := keep(t, s, demo)
		stream, err := sent(s, k)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.CreateRepo(context.Background(), "back", Source{Stream: stream, Kept: k.ID}, nil); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "is not the directory") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A fork is not production: there is nothing to bring it back as.
func TestForksAreNotKept(t *testing.T) {
	s := newStore(t, Options{})
	fork := makeFork(t, s, createRepo(t, s, "demo", Source{}), "x")
	if _, err := s.Keep(context.Background(), fork, "/mnt"); !errors.Is(err, ErrNotGrand) {
		t.Errorf("got %v", err)
	}
	wantEmpty(t, s.pool, "kept")
}
