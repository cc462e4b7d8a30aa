package attestor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/provenance"
	"forkgate/tests/keys"
	"forkgate/tests/need"
)

func TestConfig(t *testing.T) {
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(keys.New(t).PublicKey())))
	gate := func(name, key string) string {
		return "gate \"" + name + "\" {\n  patterns = [\"gate.example.org\", \"*.prod\"]\n  host_keys = [\"" + key + "\"]\n  principals = { \"1000\" = \"alice\" }\n}\n"
	}
	good := gate("a", line)
	c, err := ParseConfig("attest.hcl", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, _ := ssh.ParseAuthorizedKey([]byte(line))
	if g, ok := c.gateOf(key); !ok || g.uids[1000] != "alice" || c.Agents != DefaultAgents || len(c.SSH) != 1 {
		t.Errorf("got %+v", c)
	}
	if _, ok := c.gateOf(keys.New(t).PublicKey()); ok {
		t.Error("any host is a gate")
	}
	if text := c.SSHConfig("/run/x"); !strings.Contains(text, "Host gate.example.org *.prod\n    IdentityAgent /run/x\n    ControlMaster no\n") {
		t.Errorf("got %s", text)
	}
	for name, bad := range map[string]string{
		"syntax":             "gate {",
		"an unknown word":    "colour = 1\n",
		"a relative path":    `hosts = ["tmux"]`,
		"a path with dots":   `ssh = ["/usr/bin/../ssh"]`,
		"events":             `events = "maybe"`,
		"no key":             gate("a", "AAAA"),
		"two keys in a line": gate("a", line+`\n`+line),
		"a key twice":        gate("a", line) + gate("b", line),
		"a gate twice":       gate("a", line) + gate("a", line),
		"no gate's uid":      strings.Replace(good, `"1000"`, `"alice"`, 1),
		"a uid with a zero":  strings.Replace(good, `"1000"`, `"01000"`, 1),
		"no principal":       strings.Replace(good, `"alice"`, `"al ice"`, 1),
		"a pattern in two":   strings.Replace(good, `*.prod`, `a\nProxyCommand x`, 1),
		"nobody":             strings.Replace(good, `"1000" = "alice"`, ``, 1),
	} {
		c, err := ParseConfig("attest.hcl", []byte(bad))
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "attest.hcl") {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func TestKeys(t *testing.T) {
	need.Root(t)
	path := filepath.Join(t.TempDir(), "sub", "key")
	first, err := InitKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := InitKey(path)
	if err != nil || string(again.PublicKey().Marshal()) != string(first.PublicKey().Marshal()) {
		t.Errorf("a second init makes another key, or %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("left beside it: %v", entries)
	}
	for name, spoil := range map[string]func() error{
		"others can read it": func() error { return os.Chmod(path, 0o640) },
		"it is another's":    func() error { return os.Chown(path, 1000, 0) },
		"it is a link":       func() error { os.Rename(path, path+".moved"); return os.Symlink(path+".moved", path) },
		"it is gone":         func() error { return os.Remove(path) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(path); err == nil {
			t.Errorf("%s: taken", name)
		}
		os.Remove(path)
		os.Remove(path + ".moved")
		if _, err := InitKey(path); err != nil {
			t.Fatal(err)
		}
	}
	block := Block("laptop", first.PublicKey(), map[string]string{"1000": "alice"})
	for _, want := range []string{`attestor "laptop" {`, `principals = { "1000" = "alice" }`, `minimum    = ["tiocsti", "ptrace", "events"]`} {
		if !strings.Contains(block, want) {
			t.Errorf("%s lacks %s", block, want)
		}
	}
}

func TestSettings(t *testing.T) {
	set := func(tiocsti, ptrace string) fstest.MapFS {
		m := fstest.MapFS{}
		if tiocsti != "" {
			m["dev/tty/legacy_tiocsti"] = &fstest.MapFile{Data: []byte(tiocsti)}
		}
		if ptrace != "" {
			m["kernel/yama/ptrace_scope"] = &fstest.MapFile{Data: []byte(ptrace)}
		}
		return m
	}
	for _, c := range []struct {
		tiocsti, ptrace string
		want            []provenance.Protection
	}{
		{"0\n", "1\n", []provenance.Protection{provenance.NoTIOCSTI, provenance.NoPtrace}},
		{"0\n", "3\n", []provenance.Protection{provenance.NoTIOCSTI, provenance.NoPtrace}},
		{"1\n", "0\n", nil}, {"", "", nil}, {"no", "x1", nil}, {"0", "-1", []provenance.Protection{provenance.NoTIOCSTI}},
	} {
		s := &settings{sys: set(c.tiocsti, c.ptrace)}
		if got := s.held(); strings.Join(words(got), ",") != strings.Join(words(c.want), ",") {
			t.Errorf("%q and %q: %q", c.tiocsti, c.ptrace, got)
		}
	}
	s := &settings{sys: set("1", "1")}
	s.held()
	s.sys = set("0", "1")
	if got := words(s.held()); strings.Join(got, ",") != "ptrace" {
		t.Errorf("what was open once is forgotten: %q", got)
	}
}

func words(list []provenance.Protection) (words []string) {
	for _, p := range list {
		words = append(words, string(p))
	}
	return words
}
