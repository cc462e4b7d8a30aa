package fork

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/fork/changes"
)

// What somebody does in a fork is what differs from its parent; what only looks different is not.
func TestCompare(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	at := func(of Tree, name string) string { return filepath.Join(s.Dirs(of).Data, name) }
	for name, text := range map[string]string{"kept": "1", "changed": "2", "removed": "3", "moved": "4", "saved": "5", "dir/in": "6", "dir/sub/deep": "7", "gone/a": "8", "swapped": "9", "other": "10"} {
		must(t, os.MkdirAll(filepath.Dir(at(demo, name)), 0o755))
		write(t, at(demo, name), text)
	}
	x := makeFork(t, s, demo, "x")
	if got := compared(t, s, demo, x); len(got) > 0 {
		t.Errorf("of a fresh fork there are %v", got)
	}
	do := func(errs ...error) { t.Helper(); must(t, errors.Join(errs...)) }
	write(t, at(x, "changed"), "another")
	write(t, at(x, "new"), "n")
	write(t, at(x, "saved.tmp"), "as editors save")
	do(os.Remove(at(x, "removed")), os.Rename(at(x, "moved"), at(x, "dir/elsewhere")), os.Rename(at(x, "saved.tmp"), at(x, "saved")),
		os.Rename(at(x, "dir"), at(x, "folder")), os.RemoveAll(at(x, "gone")), os.Symlink("/etc/passwd", at(x, "link")),
		syscall.Mkfifo(at(x, "pipe"), 0o600), os.Link(at(x, "kept"), at(x, "second")), os.Chmod(at(x, "folder/in"), 0o700),
		os.Rename(at(x, "swapped"), at(x, "third")), os.Rename(at(x, "other"), at(x, "swapped")), os.Rename(at(x, "third"), at(x, "other")),
		os.WriteFile(at(x, "a\nb\x1b[31m"), nil, 0o644), os.WriteFile(filepath.Join(s.Dirs(x).Docker, "not-the-data"), nil, 0o644))
	write(t, at(x, "folder/elsewhere"), "and changed")
	want := []string{
		"added file a\nb\x1b[31m", "added file new", "added link link", "added special pipe", "added  second",
		"changed file changed", "changed file saved", "changed  folder/in", "moved folder from dir", "moved folder/elsewhere from moved, changed",
		"moved other from swapped", "moved swapped from other", "removed removed", "removed gone", "removed gone/a",
	}
	var got []string
	for _, c := range compared(t, s, demo, x) {
		switch c.How {
		case changes.Moved:
			line := "moved " + c.Path + " from " + c.From
			if c.Also {
				line += ", changed"
			}
			got = append(got, line)
		case changes.Removed:
			got = append(got, "removed "+c.Path)
		default:
			got = append(got, c.How+" "+string(c.Kind)+" "+c.Path)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if back := compared(t, s, x, demo); len(back) == 0 {
		t.Error("the other way round there is nothing")
	}
	if left := s.kept.list(func(Kept) bool { return true }); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	wantEmpty(t, s.pool, "kept")
}

// A fork that goes while it is compared goes, and what was made to compare it is not in the way.
func TestRemovedWhileCompared(t *testing.T) {
	s := newStore(t, Options{})
	x := makeFork(t, s, createRepo(t, s, "demo", Source{}), "x")
	still, err := s.still(x)
	must(t, err)
	must(t, s.Remove(t.Context(), x.GUID))
	if _, err := os.Stat(s.KeptPath(still)); err != nil {
		t.Errorf("what is compared is gone: %v", err)
	}
	must(t, s.drop(still))
	wantEmpty(t, s.pool, "kept", "forks")
	if _, err := s.Compare(t.Context(), x, x); !errors.Is(err, ErrNotFound) {
		t.Errorf("one that is gone: %v", err)
	}
}

func compared(t *testing.T, s *Store, before, after Tree) []changes.Change {
	t.Helper()
	found, err := s.Compare(t.Context(), before, after)
	must(t, err)
	return found
}

// look is what a tree holds, by path: which file, and what is to be known of it.
type look struct {
	inode uint64
	dir   bool
	state string
}

func looks(t *testing.T, top string) map[string]look {
	t.Helper()
	all := map[string]look{}
	must(t, filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == top {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		state := fmt.Sprint(st.Mode, st.Uid)
		if entry.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			state += string(text)
		}
		all[strings.TrimPrefix(path, top+"/")] = look{st.Ino, entry.IsDir(), state}
		return nil
	}))
	return all
}

// Deeds of chance, and what walking through both trees says of them. Of each path that is in one of them alone, or holds another file, or one that has
// changed, a comparison tells, and of no other.
func TestCompareWithAWalk(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	r := rand.New(rand.NewPCG(1, 2))
	top := s.Dirs(demo).Data
	for range 200 {
		deed(r, top)
	}
	rounds := 40
	for round := range rounds {
		x := makeFork(t, s, demo, fmt.Sprintf("x%d", round))
		before := looks(t, s.Dirs(demo).Data)
		for range 1 + r.IntN(60) {
			deed(r, s.Dirs(x).Data)
		}
		after := looks(t, s.Dirs(x).Data)
		want, got := map[string]string{}, map[string]string{}
		at := map[uint64]string{}
		for path, b := range before {
			at[b.inode] = path
		}
		inodes := map[uint64]bool{}
		for _, a := range after {
			inodes[a.inode] = true
		}
		for path, a := range after {
			b, there := before[path]
			was, known := at[a.inode]
			switch {
			case known && implied(after, at, path) != was:
				want[path] = "moved from " + was
			case known && before[was].state != a.state, !known && there && !inodes[b.inode]: // another file in its place
				want[path] = "changed"
			case !known:
				want[path] = "added"
			}
		}
		for path, b := range before {
			if _, told := want[path]; !told && !inodes[b.inode] {
				want[path] = "removed"
			}
		}
		for _, c := range compared(t, s, demo, x) {
			got[c.Path] = c.How
			if c.From != "" {
				got[c.Path] += " from " + c.From
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("round %d: got\n%v\nwant\n%v", round, listed(got), listed(want))
		}
		must(t, s.Remove(t.Context(), x.GUID))
	}
}

// implied is where what lies at a path was, had only directories above it moved.
func implied(after map[string]look, at map[uint64]string, path string) string {
	dir, name := filepath.Split(path)
	if dir == "" {
		return name
	}
	was, known := at[after[strings.TrimSuffix(dir, "/")].inode]
	if !known {
		return "in what is new"
	}
	return was + "/" + name
}

func listed(of map[string]string) string {
	var all []string
	for path, how := range of {
		all = append(all, how+" "+path)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// deed does something to a tree, or finds that it cannot be done.
func deed(r *rand.Rand, top string) {
	pick := func() string {
		parts := []string{top}
		for range 1 + r.IntN(3) {
			parts = append(parts, string(rune('a'+r.IntN(4))))
		}
		return filepath.Join(parts...)
	}
	switch path := pick(); r.IntN(7) {
	case 0, 1:
		_ = os.WriteFile(path, fmt.Append(nil, r.Int()), 0o644)
	case 2:
		_ = os.Mkdir(path, 0o755)
	case 3:
		_ = os.Rename(path, pick())
	case 4:
		_ = os.Remove(path)
	case 5:
		_ = os.RemoveAll(path)
	case 6:
		_ = os.Chmod(path, 0o600|fs.FileMode(r.IntN(64)))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A path that is longer than the kernel's own may be is told of as what it is: who has a fork can make one.
func TestCompareWithALongPath(t *testing.T) {
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	x := makeFork(t, s, demo, "x")
	fd, err := unix.Open(s.Dirs(x).Data, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	name := strings.Repeat("n", 250)
	for range 20 {
		must(t, unix.Mkdirat(fd, name, 0o755))
		below, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, errors.Join(err, unix.Close(fd)))
		fd = below
	}
	must(t, unix.Close(fd))
	if _, err := s.Compare(t.Context(), demo, x); !errors.Is(err, ErrLongPath) {
		t.Errorf("it says %v", err)
	}
	wantEmpty(t, s.pool, "kept")
}
