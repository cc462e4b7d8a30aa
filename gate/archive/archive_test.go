package archive

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"forkgate/gate/tape"
)

// recorded puts a recording where the warden does, and says which file it is.
func recorded(t *testing.T, dir, session string, at int, recipients ...string) string {
	t.Helper()
	h := tape.Header{Command: "make", Forkgate: tape.About{Session: session, Principal: "alice", Begun: time.Date(2026, 11, 26, 12, 0, at, 0, time.UTC)}}
	head, _, err := h.Begin(recipients, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "2026-11-26", session+Extension)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, head, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sessions(all []Recording) (names []string) {
	for _, r := range all {
		names = append(names, r.Session)
	}
	return names
}

// They are listed by when they began, and what is none is told of and left out, as is one behind another's name.
func TestList(t *testing.T) {
	dir := t.TempDir()
	recorded(t, dir, "later", 2)
	recorded(t, dir, "first", 1)
	moved := recorded(t, dir, "moved", 3)
	if err := os.Rename(moved, filepath.Join(filepath.Dir(moved), "another"+Extension)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"rubbish" + Extension: "rubbish\n", "empty" + Extension: "", "notes.txt": "none of ours"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var skipped []string
	all, err := List(dir, func(path string, err error) { skipped = append(skipped, filepath.Base(path)+": "+err.Error()) })
	if err != nil || !slices.Equal(sessions(all), []string{"first", "later"}) || all[0].Command != "make" || all[0].Size == 0 {
		t.Errorf("%v, %+v", err, all)
	}
	said := strings.Join(skipped, "\n")
	for _, want := range []string{"rubbish.cast: this is no recording", "empty.cast: the recording is empty", `another.cast: this file is not the recording of session "moved"`} {
		if !strings.Contains(said, want) {
			t.Errorf("it is not said that %s: %s", want, said)
		}
	}
	if len(skipped) != 3 {
		t.Errorf("skipped: %v", skipped)
	}
	if all, err := List(filepath.Join(dir, "nowhere"), nil); err != nil || all == nil || len(all) != 0 {
		t.Errorf("nothing is there: %v, %v", all, err)
	}
}

// A session is found by a beginning of its name that no other has.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	recorded(t, dir, "aaa", 1)
	recorded(t, dir, "aab", 2)
	recorded(t, dir, "aa", 3)
	for name, want := range map[string]string{"aaa": "aaa", "aa": "aa", "aab": "aab", "a": "several recordings begin", "b": "there is no recording", "../aaa": "there is no recording"} {
		r, err := Find(dir, name, func(string, error) {})
		if err == nil && r.Session != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// Of one that is encrypted, what was said is for who has a key.
func TestListSealed(t *testing.T) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	recorded(t, dir, "sealed", 1, key.Recipient().String())
	keys, err := ReadKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	for want, keys := range map[string][]age.Identity{"": nil, "make": keys} {
		all, err := List(dir, func(path string, err error) { t.Errorf("%s: %v", path, err) }, keys...)
		if err != nil || len(all) != 1 || all[0].Command != want || all[0].Principal != "alice" {
			t.Errorf("%v, %+v", err, all)
		}
	}
	for _, path := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "2026-11-26", "sealed.cast")} {
		if _, err := ReadKeys(path); err == nil {
			t.Errorf("%s has keys", path)
		}
	}
}
