package scrub

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"forkgate/nsjail/wire"
)

// copied is a copy of production, and what is done to it.
type copied struct {
	*testing.T
	data, volumes, images string
	said                  bytes.Buffer
}

func newCopy(t *testing.T) *copied {
	t.Helper()
	dir := t.TempDir()
	c := &copied{T: t, data: filepath.Join(dir, "data"), volumes: filepath.Join(dir, "volumes"), images: filepath.Join(dir, "overlay2")}
	for name, text := range map[string]string{
		"data/.env": "KEY=sk_live_1\nOTHER=1\n", "data/app/.env": "KEY=sk_live_2\nPASSWORD=hunter2\n", "data/app/config.json": `{"PASSWORD": "hunter2"}`,
		"data/.aws/credentials": "secret", "data/dump.sql": "INSERT", "data/notes.txt": "KEY=sk_live_3\n",
		"volumes/pg/_data/pg.conf": "PASSWORD = hunter2\n", "outside": "KEY=sk_live_4\n",
	} {
		c.write(filepath.Join(dir, name), text)
	}
	return c
}

func (c *copied) write(path, text string) {
	c.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o640)); err != nil {
		c.Fatal(err)
	}
}

func (c *copied) do(rules ...wire.Scrub) wire.Scrubbed {
	c.Helper()
	s, err := Open(wire.Scrubbing{Data: c.data, Volumes: c.volumes, Images: c.images}, []string{"PATH=" + os.Getenv("PATH"), "WHO=me"}, &c.said)
	if err != nil {
		c.Fatal(err)
	}
	defer s.Close()
	done := s.Do(c.Context(), rules)
	for i := range done.Steps {
		done.Steps[i].Took = 0
	}
	return done
}

func (c *copied) want(name, text string) {
	c.Helper()
	if got, err := os.ReadFile(filepath.Join(c.data, name)); err != nil || string(got) != text {
		c.Errorf("%s: %q, %v; want %q", name, got, err, text)
	}
}

func TestRules(t *testing.T) {
	c := newCopy(t)
	if err := os.Link(filepath.Join(c.data, ".env"), filepath.Join(c.data, "saved")); err != nil {
		t.Fatal(err)
	}
	done := c.do(
		wire.Scrub{Name: "aws", Files: []string{".aws", "no/such/*"}, Remove: true},
		wire.Scrub{Name: "dumps", Files: []string{"**/*.sql"}, Empty: true},
		wire.Scrub{Name: "keys", Files: []string{"**/.env", "**/*.json"}, Volumes: []string{"*/_data/*.conf"}, Set: map[string]string{"K*": "sandbox", "PASSWORD": "p"}},
		wire.Scrub{Name: "program", Run: []string{"sh", "-c", "echo $WHO; rm notes.txt; sleep 1000 &"}},
	)
	want := wire.Scrubbed{Steps: []wire.ScrubStep{{Name: "aws", Files: 1}, {Name: "dumps", Files: 1}, {Name: "keys", Files: 4}, {Name: "program"}}}
	if diff := cmp.Diff(want, done); diff != "" {
		t.Error(diff)
	}
	c.want(".env", "KEY=sandbox\nOTHER=1\n")
	c.want("saved", "KEY=sandbox\nOTHER=1\n") // the same file
	c.want("app/.env", "KEY=sandbox\nPASSWORD=p\n")
	c.want("app/config.json", `{"PASSWORD": "p"}`)
	c.want("dump.sql", "")
	c.want("../volumes/pg/_data/pg.conf", "PASSWORD = p\n")
	for _, gone := range []string{".aws", "notes.txt"} {
		if _, err := os.Lstat(filepath.Join(c.data, gone)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", gone, err)
		}
	}
	if info, err := os.Stat(filepath.Join(c.data, ".env")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if c.said.String() != "me\n" {
		t.Errorf("it said %q", c.said.String())
	}
}

// What is made up is the same for a name in all files, and no two copies have the same.
func TestGeneratedValues(t *testing.T) {
	var all []string
	for range 2 {
		c := newCopy(t)
		done := c.do(wire.Scrub{Name: "passwords", Files: []string{"app/*", "app/.env"}, Generate: []string{"PASSWORD"}})
		text, _ := os.ReadFile(filepath.Join(c.data, "app/.env"))
		_, made, _ := strings.Cut(strings.TrimSpace(string(text)), "PASSWORD=")
		if done.Error != "" || len(made) < 20 {
			t.Fatalf("%+v: %q", done, text)
		}
		c.want("app/config.json", `{"PASSWORD": "`+made+`"}`)
		all = append(all, made)
	}
	if all[0] == all[1] {
		t.Error("two copies have the same password")
	}
}

// A link is followed within the copy and no further: what it leads to outside is nobody's here, and stays.
func TestLinks(t *testing.T) {
	c := newCopy(t)
	for name, to := range map[string]string{"a/.env": "../app/.env", "b/.env": "../../outside", "c/.env": filepath.Join(c.data, "..", "outside"), "d/.env": "gone", "e": "../volumes"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(c.data, name)), 0o755), os.Symlink(to, filepath.Join(c.data, name))); err != nil {
			t.Fatal(err)
		}
	}
	rule := wire.Scrub{Name: "keys", Files: []string{"**/.env", "*/pg/_data/*"}, Set: map[string]string{"KEY": "sandbox", "PASSWORD": "p"}}
	if done := c.do(rule); done.Error != "" {
		t.Errorf("%+v", done)
	}
	c.want("app/.env", "KEY=sandbox\nPASSWORD=p\n")
	c.want("../outside", "KEY=sk_live_4\n")
	c.want("../volumes/pg/_data/pg.conf", "PASSWORD = hunter2\n")
	if done := c.do(wire.Scrub{Name: "links", Files: []string{"a/.env", "b"}, Remove: true}); done.Error != "" {
		t.Errorf("%+v", done)
	}
	c.want("app/.env", "KEY=sandbox\nPASSWORD=p\n")
}

// What cannot be done whole is an error, and what follows it is not done.
func TestWhatFails(t *testing.T) {
	c := newCopy(t)
	c.write(filepath.Join(c.data, "bad.json"), "{\"KEY\": 1")
	big := filepath.Join(c.data, "big.env")
	c.write(big, "")
	if err := errors.Join(os.Truncate(big, maxFile+1), syscall.Mkfifo(filepath.Join(c.data, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{"KEY": "sandbox"}
	for says, rule := range map[string]wire.Scrub{
		`scrub "x": "bad.json": it is no JSON`:            {Name: "x", Files: []string{"*.json"}, Set: keys},
		`scrub "x": "big.env" has 16777217 bytes`:         {Name: "x", Files: []string{"big.env"}, Set: keys},
		`scrub "x": "pipe" is neither a file nor`:         {Name: "x", Files: []string{"pipe"}, Empty: true},
		`scrub "x": false: exit status 1`:                 {Name: "x", Run: []string{"false"}},
		`scrub "x": no-such-program: exec: "no-such-prog`: {Name: "x", Run: []string{"no-such-program"}},
		`scrub "x": cannot look for "[": syntax error`:    {Name: "x", Files: []string{"["}, Remove: true},
	} {
		done := c.do(rule, wire.Scrub{Name: "after", Files: []string{"notes.txt"}, Remove: true})
		if !strings.HasPrefix(done.Error, says) || len(done.Steps) != 1 {
			t.Errorf("%+v, want %s", done, says)
		}
	}
	c.want("notes.txt", "KEY=sk_live_3\n")
	s, err := Open(wire.Scrubbing{Data: c.data, Volumes: c.volumes, Images: c.images}, nil, &c.said)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if done := s.Do(late, []wire.Scrub{{Name: "x", Files: []string{"**"}, Empty: true}}); done.Error == "" {
		t.Error("it goes on when its time is over")
	}
}
