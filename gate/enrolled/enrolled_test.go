package enrolled

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/tests/keys"
)

func open(t *testing.T, dir string) *Record {
	t.Helper()
	r, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func enrolledKey(t *testing.T, name string) Key {
	t.Helper()
	return Key{
		Name: name, Principal: "alice", Line: LineOf(keys.NewSecurityKey(t).PublicKey()), Model: "00ff", By: "CN=keys", Issuer: "CN=root",
		At: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC),
	}
}

func TestAKeyStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "security-keys")
	r := open(t, dir)
	k := enrolledKey(t, "yubikey")
	if err := r.Add(k); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "yubikey.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its file: %v, %v", info, err)
	}
	for name, r := range map[string]*Record{"at once": r, "opened anew": open(t, dir)} {
		all := r.All()
		if len(all) != 1 || all[0].Public() == nil {
			t.Fatalf("%s: %+v", name, all)
		}
		found, ok := r.Find(all[0].Public())
		if !ok || found.Line != k.Line || found.Principal != "alice" || !found.At.Equal(k.At) {
			t.Errorf("%s: %t, %+v", name, ok, found)
		}
		if _, ok := r.Find(keys.NewSecurityKey(t).PublicKey()); ok {
			t.Errorf("%s: a key that nobody enrolled is found", name)
		}
		if _, ok := r.Find(nil); ok {
			t.Errorf("%s: no key is found", name)
		}
	}
}

func TestTaken(t *testing.T) {
	r := open(t, t.TempDir())
	first := enrolledKey(t, "first")
	if err := r.Add(first); err != nil {
		t.Fatal(err)
	}
	if err := r.Add(enrolledKey(t, "first")); !errors.Is(err, ErrName) {
		t.Errorf("the same name: %v", err)
	}
	again := first
	again.Name, again.Principal = "again", "bob"
	if err := r.Add(again); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "as first") {
		t.Errorf("the same key: %v", err)
	}
	if len(r.All()) != 1 {
		t.Errorf("there are %+v", r.All())
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	k := enrolledKey(t, "yubikey")
	if err := r.Add(k); err != nil {
		t.Fatal(err)
	}
	if err := r.Remove("yubikey"); err != nil {
		t.Fatal(err)
	}
	if err := r.Remove("yubikey"); !errors.Is(err, ErrNone) {
		t.Errorf("removed twice: %v", err)
	}
	if n := len(r.All()) + len(open(t, dir).All()); n != 0 {
		t.Errorf("%d left", n)
	}
	if err := r.Add(k); err != nil {
		t.Errorf("enrolled anew: %v", err)
	}
}

// A name leads nowhere else, and a file that is not as it was written is no key.
func TestWhatIsNoKey(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	for _, name := range []string{"", ".", "../x", "a/b", "A"} {
		if err := r.Add(enrolledKey(t, name)); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
	if err := r.Add(enrolledKey(t, "good")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "good.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoiled := range map[string]string{
		"half":    string(text[:len(text)/2]),
		"other":   string(text), // of another name
		"twice":   strings.Replace(string(text), `"good"`, `"twice"`, 1),
		"field":   strings.Replace(strings.Replace(string(text), `"good"`, `"field"`, 1), `"by"`, `"approves": true, "by"`, 1),
		"options": strings.Replace(strings.Replace(string(text), `"good"`, `"options"`, 1), `"sk-`, `"no-touch-required sk-`, 1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(spoiled), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if all := open(t, dir).All(); len(all) != 1 || all[0].Name != "good" {
		t.Errorf("there are %+v", all)
	}
}
