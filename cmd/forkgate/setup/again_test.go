package setup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// clumsy says what will not do before what does, by a word of the question, and keeps what it was told.
type clumsy struct {
	proposed
	tries map[string][]string
	told  []string
}

func (c *clumsy) Ask(ctx context.Context, question, proposal string) (string, error) {
	for word, answers := range c.tries {
		if strings.Contains(question, word) && len(answers) > 0 {
			c.tries[word] = answers[1:]
			return answers[0], nil
		}
	}
	return c.proposed.Ask(ctx, question, proposal)
}

func (c *clumsy) Wrong(why error) error {
	c.told = append(c.told, why.Error())
	return nil
}

// archive is a tar with one file in it.
func archive(t *testing.T) string {
	t.Helper()
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "orders", Mode: 0o644}), w.Close()); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// A repository is made of a directory or a tar, compressed or not; what can be neither is refused before anything is done.
func TestWhatARepositoryIsMadeOf(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"orders": "orders of today\n", "nothing": "", "shop.tar": archive(t), "shop.tgz": "\x1f\x8b\x08"} {
		write(t, filepath.Join(dir, name), text)
	}
	if err := errors.Join(os.Symlink("shop.tar", filepath.Join(dir, "link")), os.Symlink("orders", filepath.Join(dir, "other"))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{".": true, "shop.tar": true, "shop.tgz": true, "link": true, "orders": false, "other": false, "nothing": false, "none": false, "/dev/null": false} {
		from := filepath.Join(dir, name)
		if filepath.IsAbs(name) {
			from = name
		}
		f := newFake(t)
		if err := Run(t.Context(), f.Host, &proposed{}, Answers{From: from, Repo: "shop"}); (err == nil) != want || (len(f.ran) > 0) != want {
			t.Errorf("%s: %v, and it ran %q", name, err, f.ran)
		}
	}
}

// An answer that will not do is asked for again, with the reason, and costs nobody what was said before.
func TestAskedAgain(t *testing.T) {
	f := newFake(t)
	from, keys := t.TempDir(), filepath.Join(f.Root, "root/.ssh/authorized_keys")
	text, tar := filepath.Join(t.TempDir(), "orders"), filepath.Join(t.TempDir(), "rootfs.tar")
	write(t, text, strings.Repeat("orders of today\n", 100))
	write(t, tar, archive(t))
	asker := &clumsy{tries: map[string][]string{
		"an empty disk": {"/srv/db.dat", "none"}, "how large": {"much", "10G"}, "your name": {"al ice", "alice"}, "your public keys": {"/nowhere", keys},
		"a tar file with a Debian": {"/nowhere", from, text, tar}, "the first repository": {"/nowhere", text, from}, "its name": {"Shop*", "gate", "shop"},
	}}
	if err := Run(t.Context(), f.Host, asker, Answers{}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"forkgate pool init --size 10G", "forkgate policy check", "systemctl enable --now forkgate.target",
		"forkgate rootfs import " + tar, "forkgate repo create shop --from " + from,
	}
	if !slices.Equal(f.ran, want) {
		t.Errorf("it ran %q", f.ran)
	}
	for i, reason := range []string{"no block device", "no size", `"al ice"`, "/nowhere", "/nowhere", "is no tar file", "is no tar file: plain", "/nowhere", "is no tar file: plain", `"Shop*"`, `"gate" cannot be a repository: gate is where control words answer`} {
		if i >= len(asker.told) || !strings.Contains(asker.told[i], reason) {
			t.Fatalf("it says %q, want %q as number %d", asker.told, reason, i)
		}
	}
	if len(asker.told) != 11 {
		t.Errorf("it says %q", asker.told)
	}
	if text, err := os.ReadFile(filepath.Join(f.Root, principals)); err != nil || !strings.Contains(string(text), `"alice"`) {
		t.Errorf("%v, %s", err, text)
	}
}

// after is a host that was set up and whose services were ended: its warden says what it has when it is started.
func after(t *testing.T, has map[string]string) *fake {
	t.Helper()
	f := newFake(t)
	if err := os.MkdirAll(filepath.Join(f.Root, filepath.Dir(poolUnit)), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(f.Root, poolUnit), "")
	write(t, filepath.Join(f.Root, principals), "")
	runs, run := false, f.Run
	f.Run = func(ctx context.Context, argv ...string) error {
		runs = runs || argv[0] == "systemctl"
		return run(ctx, argv...)
	}
	f.Output = func(_ context.Context, argv ...string) (string, error) {
		if says, ok := has[argv[1]]; ok && runs {
			return says, nil
		}
		return "", errors.New("no warden")
	}
	return f
}

// What a warden that does not run has is neither asked for nor made again.
func TestServicesThatDoNotRun(t *testing.T) {
	const some, none = "[{}]", "[]"
	starts := []string{"forkgate policy check", "systemctl enable --now forkgate.target"}
	makes := []string{"forkgate rootfs build", "forkgate repo create shop"}
	for _, c := range []struct {
		name    string
		has     map[string]string
		mounted bool // the pool
		given   Answers
		want    []string
		asked   int
	}{
		{"the pool is mounted", map[string]string{"rootfs": some, "repo": some}, true, Answers{Rootfs: "/nowhere", From: "/nowhere", Repo: "shop"}, starts, 2},
		{"only the warden can say", map[string]string{"rootfs": some, "repo": some}, false, Answers{Repo: "shop"}, starts, 3},
		{"control: there is nothing", map[string]string{"rootfs": none, "repo": none}, false, Answers{Repo: "shop"}, append(slices.Clone(starts), makes...), 3},
	} {
		f, asker := after(t, c.has), &proposed{}
		for _, dir := range []string{"rootfs/0123", "repos/0123"} {
			if err := os.MkdirAll(filepath.Join(f.Root, pool, dir[:strings.Index(dir, "/")]), 0o700); err != nil {
				t.Fatal(err)
			}
			if c.mounted {
				if err := os.Mkdir(filepath.Join(f.Root, pool, dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := Run(t.Context(), f.Host, asker, c.given); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !slices.Equal(f.ran, c.want) || len(asker.asked) != c.asked {
			t.Errorf("%s: it ran %q and asked %q", c.name, f.ran, asker.asked)
		}
	}
}

// Nobody's login is waited for who is no principal.
func TestWhoLogsIn(t *testing.T) {
	for _, c := range []struct {
		name       string
		principals []string
		given, me  string
		want       string // whose login is waited for; empty: it refuses
	}{
		{"one principal", []string{"admin"}, "", "root", "admin"},
		{"several", []string{"alice", "bot"}, "", "root", ""},
		{"several, and one of them types", []string{"admin", "bot"}, "", "admin", "admin"},
		{"several, and one of them is named", []string{"admin", "bot"}, "admin", "root", "admin"},
		{"somebody else is named", []string{"alice"}, "admin", "root", ""},
		{"nobody is there", nil, "admin", "root", ""},
	} {
		for _, flags := range []Answers{{Port: true}, {Doors: true}} {
			f := after(t, nil)
			t.Setenv("LOGNAME", c.me)
			f.principals, f.logins, f.confirmed = c.principals, 2, true
			var waited []string
			f.Login = func(ctx context.Context, who string, since time.Time) error {
				waited = append(waited, who)
				return f.login(ctx, who, since)
			}
			flags.Principal = c.given
			err := Run(t.Context(), f.Host, &proposed{}, flags)
			if c.want == "" && (!errors.Is(err, errWho) || len(f.ran) > 0 || len(waited) > 0) {
				t.Errorf("%s: %v; it ran %q and waited for %q", c.name, err, f.ran, waited)
			}
			if c.want == "" && err != nil && c.given == "" && !strings.Contains(err.Error(), "name one of "+strings.Join(c.principals, ", ")+"; the flag is --principal") {
				t.Errorf("%s: it does not say what is missing: %v", c.name, err)
			}
			if c.want != "" && (err != nil || len(waited) == 0 || waited[0] != c.want) {
				t.Errorf("%s: %v; it waited for %q", c.name, err, waited)
			}
		}
	}
}
