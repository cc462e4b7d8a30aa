package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shelf is one in memory.
type shelf map[string][]byte

func (s shelf) Put(key string, record []byte) error { s[key] = record; return nil }
func (s shelf) Delete(key string) error             { delete(s, key); return nil }
func (s shelf) All() (map[string][]byte, error)     { return s, nil }

var day = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

func openBook(t *testing.T, s shelf, key string) *Book {
	t.Helper()
	b, err := Open(s, key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, b *Book, repo, name string, who Audience, value string) {
	t.Helper()
	if err := b.Put(Secret{Repo: repo, Name: name, For: who, Variable: strings.HasPrefix(name, "V"), Set: day}, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func given(t *testing.T, b *Book, repo string, who Audience) string {
	t.Helper()
	values, err := b.For(repo, who)
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, v := range values {
		said += v.Name + "=" + string(v.Text) + " "
	}
	return said
}

// Each audience has its own, whatever the others have, before and after the book is opened again; and none of it can be read where it lies.
func TestEachHasItsOwn(t *testing.T) {
	s, key := shelf{}, filepath.Join(t.TempDir(), "key")
	b := openBook(t, s, key)
	put(t, b, "one", "PASSWORD", Production, "precious")
	put(t, b, "one", "VTOKEN", Production, "precious-token")
	put(t, b, "one", "PASSWORD", Forks, "sandbox")
	put(t, b, "two", "PASSWORD", Production, "another's")
	put(t, b, "one", "PASSWORD", Production, "precious-now")
	for range 2 {
		for _, c := range []struct {
			repo string
			who  Audience
			want string
		}{
			{"one", Production, "PASSWORD=precious-now VTOKEN=precious-token "}, {"one", Forks, "PASSWORD=sandbox "},
			{"two", Production, "PASSWORD=another's "}, {"two", Forks, ""}, {"one", "", ""}, {"", Production, ""},
		} {
			if got := given(t, b, c.repo, c.who); got != c.want {
				t.Errorf("%s, %q: %q, want %q", c.repo, c.who, got, c.want)
			}
		}
		if v, err := b.Variables("one", Production); err != nil || len(v) != 1 || v[0].Name != "VTOKEN" {
			t.Errorf("variables are %v, %v", v, err)
		}
		want := []Secret{{"one", "PASSWORD", Production, false, day}, {"one", "PASSWORD", Forks, false, day}, {"one", "VTOKEN", Production, true, day}}
		if diff := cmp.Diff(want, b.List("one")); diff != "" {
			t.Error(diff)
		}
		b = openBook(t, s, key)
	}
	for at, record := range s {
		if bytes.Contains(record, []byte("precious")) || bytes.Contains(record, []byte("sandbox")) {
			t.Errorf("%s can be read: %s", at, record)
		}
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
	if err := errors.Join(b.Remove("one", "PASSWORD", Forks), b.Forget("two")); err != nil {
		t.Error(err)
	}
	if err := b.Remove("one", "PASSWORD", Forks); !errors.Is(err, ErrNone) {
		t.Errorf("again: %v", err)
	}
	if b = openBook(t, s, key); given(t, b, "one", Forks)+given(t, b, "two", Production) != "" || given(t, b, "one", Production) == "" {
		t.Errorf("after that there is %v", b.all)
	}
}

// A record that somebody has moved to another place, where another would read it, keeps the book shut.
func TestMovedRecords(t *testing.T) {
	s, key := shelf{}, filepath.Join(t.TempDir(), "key")
	put(t, openBook(t, s, key), "one", "PASSWORD", Production, "precious")
	s["one/forks/PASSWORD"] = s["one/grand/PASSWORD"]
	if _, err := Open(s, key); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
	delete(s, "one/forks/PASSWORD")
	if err := os.WriteFile(key, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s, key); err == nil || !strings.Contains(err.Error(), "set all secrets again") {
		t.Errorf("with another key: %v", err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := openBook(t, s, key).For("one", Production); err == nil || !strings.Contains(err.Error(), "set it again") {
		t.Errorf("with a new key: %v", err)
	}
}

func TestRefused(t *testing.T) {
	b := openBook(t, shelf{}, filepath.Join(t.TempDir(), "key"))
	for _, c := range []struct {
		name     string
		variable bool
		value    string
		want     error
	}{
		{"", false, "x", ErrName}, {"../x", false, "x", ErrName}, {"a/b", false, "x", ErrName}, {".", false, "x", ErrName}, {"1A", false, "x", ErrName},
		{"A B", false, "x", ErrName}, {"A\n", false, "x", ErrName}, {strings.Repeat("a", 64), false, "x", ErrName},
		{"PATH", true, "x", ErrName}, {"LD_PRELOAD", true, "x", ErrName}, {"REDIACC_ROLE", true, "x", ErrName}, {"PATH", false, "x", nil},
		{"A", false, "", ErrValue}, {"A", false, strings.Repeat("x", MaxValue+1), ErrValue}, {"A", true, "a\x00b", ErrValue}, {"A", false, "a\x00b", nil},
	} {
		if err := b.Put(Secret{Repo: "one", Name: c.name, For: Production, Variable: c.variable}, []byte(c.value)); !errors.Is(err, c.want) {
			t.Errorf("%q, %t: %v, want %v", c.name, c.variable, err, c.want)
		}
	}
	for _, s := range []Secret{{Repo: "one", Name: "A"}, {Repo: "one", Name: "A", For: "all"}, {Name: "A", For: Forks}} {
		if err := b.Put(s, []byte("x")); err == nil {
			t.Errorf("%+v is kept", s)
		}
	}
	if err := b.Put(Secret{Repo: "var", Name: "A", For: Production, Variable: true}, bytes.Repeat([]byte("x"), MaxVariables-2)); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]error{"A": nil, "B": ErrValue} {
		if err := b.Put(Secret{Repo: "var", Name: name, For: Production, Variable: true}, bytes.Repeat([]byte("x"), MaxVariables-2)); !errors.Is(err, want) {
			t.Errorf("%s beside A: %v", name, err)
		}
	}
	if err := b.Prune(func(repo string) bool { return repo != "var" }); err != nil || len(b.List("var")) != 0 || len(b.List("one")) == 0 {
		t.Errorf("of one that is gone %v is kept, %v", b.List("var"), err)
	}
	for n := range MaxCount {
		put(t, b, "many", fmt.Sprintf("A%d", n), Production, "x")
	}
	put(t, b, "many", "A0", Production, "y")
	put(t, b, "many", "A0", Forks, "y")
	if err := b.Put(Secret{Repo: "many", Name: "B", For: Production}, []byte("x")); !errors.Is(err, ErrMany) {
		t.Errorf("one more: %v", err)
	}
}
