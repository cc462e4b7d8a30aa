package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"forkgate/gate/policy"
	"forkgate/tests/need"
)

const anything = `permit "it" { when = true }`

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused asserts that nothing is loaded, and why.
func refused(t *testing.T, why string, sources ...policy.Source) {
	t.Helper()
	p, err := policy.Load(sources...)
	if p != nil || err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("policy %v, error %v; want %q", p != nil, err, why)
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	rule := write(t, dir, "rule.hcl", anything)
	for _, name := range []string{".hidden.hcl", "principals.hcl.example", "rule.hcl~", "rule.hcl.dpkg-new", "README"} {
		write(t, dir, name, "not HCL {")
	}
	for _, path := range []string{dir, rule} {
		p, err := policy.Load(policy.Disk{Path: path, AnyOwner: true})
		if err != nil || p.Summary().Files != 1 {
			t.Errorf("%s: %v", path, err)
		}
	}
	refused(t, "no such file", policy.Disk{Path: filepath.Join(dir, "none")})
	refused(t, "named twice", policy.Disk{Path: dir, AnyOwner: true}, policy.Disk{Path: rule, AnyOwner: true})
	refused(t, "permits nothing", policy.Disk{Path: t.TempDir(), AnyOwner: true})
	refused(t, "permits nothing")
}

// A directory of a million rules is refused before any of them is parsed, from the disk and from anywhere.
func TestAMillionRules(t *testing.T) {
	dir := t.TempDir()
	var texts []policy.Source
	for i := range 70 {
		var text strings.Builder
		for n := 0; text.Len() < policy.MaxFile-100; n++ {
			fmt.Fprintf(&text, "permit \"r%d-%d\" {\n  when = op == \"list\"\n}\n", i, n)
		}
		name := fmt.Sprintf("many%d.hcl", i)
		write(t, dir, name, text.String())
		texts = append(texts, policy.Text{Name: name, Text: []byte(text.String())})
	}
	refused(t, "the policy is too long", policy.Disk{Path: dir, AnyOwner: true})
	refused(t, "The policy is too long", texts...)
}

func TestOneBadFileRefusesAll(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.hcl", anything)
	write(t, dir, "b.hcl", "permit {")
	refused(t, "b.hcl line 1", policy.Disk{Path: dir, AnyOwner: true})
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	good := write(t, t.TempDir(), "good.hcl", anything)
	path := filepath.Join(dir, "x.hcl")
	cases := map[string]struct {
		make func() error
		why  string
	}{
		"a link":      {func() error { return os.Symlink(good, path) }, "symbolic link"},
		"a fifo":      {func() error { return unix.Mkfifo(path, 0o644) }, "not a regular file"},
		"a directory": {func() error { return os.Mkdir(path, 0o755) }, "not a regular file"},
		"too long":    {func() error { return os.WriteFile(path, make([]byte, policy.MaxFile+1), 0o644) }, "longer than"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := c.make(); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path)
			refused(t, c.why, policy.Disk{Path: dir, AnyOwner: true}, policy.Disk{Path: good, AnyOwner: true})
		})
	}
	link := filepath.Join(dir, "linked")
	if err := os.Symlink(filepath.Dir(good), link); err != nil {
		t.Fatal(err)
	}
	refused(t, "symbolic link", policy.Disk{Path: link, AnyOwner: true})
}

func TestFilesThatOthersCanWrite(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	path := write(t, dir, "rule.hcl", anything)
	set := func(path string, uid, gid int, mode os.FileMode) {
		t.Helper()
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name          string
		uid, gid      int
		dirMode, mode os.FileMode
		dirUID        int
		why           string
	}{
		{"root's own", 0, 0, 0o755, 0o644, 0, ""},
		{"root's own, of another group", 0, 1, 0o755, 0o640, 0, ""},
		{"another's", 1, 0, 0o755, 0o644, 0, "uid 1 owns it"},
		{"for the group to write", 0, 0, 0o755, 0o664, 0, "others than root can write it"},
		{"for all to write", 0, 0, 0o755, 0o646, 0, "others than root can write it"},
		{"in a directory of another", 0, 0, 0o755, 0o644, 1, "uid 1 owns it"},
		{"in a directory for all", 0, 0, 0o1777, 0o644, 0, "others than root can write it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set(path, c.uid, c.gid, c.mode)
			set(dir, c.dirUID, 0, c.dirMode)
			if c.why == "" {
				if _, err := policy.Load(policy.Disk{Path: dir}); err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, c.why, policy.Disk{Path: dir})
			if _, err := policy.Load(policy.Disk{Path: dir, AnyOwner: true}); err != nil {
				t.Errorf("the control does not load: %v", err)
			}
		})
	}
}

func TestFS(t *testing.T) {
	fsys := fstest.MapFS{"a.hcl": {Data: []byte(anything)}, "b.txt": {Data: []byte("{")}}
	p, err := policy.Load(policy.FS{FS: fsys, Prefix: "shipped"})
	if err != nil || p.Summary().Files != 1 {
		t.Fatal(err)
	}
	fsys["c.hcl"] = &fstest.MapFile{Data: []byte("forbd \"x\" {}")}
	refused(t, "on shipped/c.hcl line 1", policy.FS{FS: fsys, Prefix: "shipped"})
	refused(t, "not a regular file", policy.FS{FS: fstest.MapFS{"d.hcl/e": {}}})
	refused(t, "longer than", policy.FS{FS: fstest.MapFS{"a.hcl": {Data: make([]byte, policy.MaxFile+1)}}})
}
