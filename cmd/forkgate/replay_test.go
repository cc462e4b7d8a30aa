package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"forkgate/gate/archive"
	"forkgate/gate/tape"
)

// taped is a state directory with recordings of these sessions, each of which showed a title and its own name.
func taped(t *testing.T, sessions ...string) (state string) {
	t.Helper()
	return tapedFor(t, nil, sessions...)
}

// tapedFor encrypts them to keys of age.
func tapedFor(t *testing.T, recipients []string, sessions ...string) (state string) {
	t.Helper()
	state = t.TempDir()
	dir := filepath.Join(archive.Dir(state), "2026-11-26")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, name := range sessions {
		var text bytes.Buffer
		head, key, err := tape.Header{Command: "make", Forkgate: tape.About{
			Session: name, Begun: time.Date(2026, 11, 26, 12, 0, i, 0, time.UTC), Principal: "alice", Kind: "human", Op: "exec", Ref: "shop",
		}}.Begin(recipients, nil)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(head)
		w, err := tape.NewWriter(&text, tape.Terms{Limit: 1 << 20, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(tape.Output, []byte("\x1b]0;title\x07"+name)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+archive.Extension), text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return state
}

func TestReplay(t *testing.T) {
	state := taped(t, "aaaa", "abbb", "cccc")
	for _, test := range []struct{ args, want, err string }{
		{"aaaa", "aaaa", ""},
		{"c", "cccc", ""},
		{"cccc --raw", "\x1b]0;title\x07cccc", ""},
		{"a", "", "several recordings begin with"},
		{"d", "", "there is no recording of a session"},
		{"cccc --speed -1", "", "are not negative"},
		{"", "", "takes 1 word"},
	} {
		got, err := forkgate(t, "", append([]string{"replay", "--state", state}, strings.Fields(test.args)...)...)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %q, %v", test.args, got, err)
		}
	}
	list, err := forkgate(t, "", "recordings", "--state", state)
	if err != nil || strings.Count(list, "human alice") != 3 || !strings.Contains(list, "exec make") || strings.Index(list, "aaaa") > strings.Index(list, "cccc") {
		t.Errorf("%s, %v", list, err)
	}
	if list, err := forkgate(t, "", "recordings", "--state", t.TempDir(), "--json"); err != nil || list != "[]\n" {
		t.Errorf("none: %q, %v", list, err)
	}
}

// Of what is encrypted anybody sees whose it is, and who has the key the rest.
func TestEncryptedRecordings(t *testing.T) {
	identity := func() (*age.X25519Identity, string) {
		key, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "key.txt")
		if err := os.WriteFile(file, []byte("# public key: "+key.Recipient().String()+"\n"+key.String()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return key, file
	}
	key, file := identity()
	_, strange := identity()
	none := filepath.Join(t.TempDir(), "none.txt")
	if err := os.WriteFile(none, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	state := tapedFor(t, []string{key.Recipient().String()}, "aaaa")
	for _, test := range []struct{ args, want, err string }{
		{"recordings", "human alice", ""},
		{"recordings", "exec (encrypted)", ""},
		{"recordings --identity " + file, "exec make (encrypted)", ""},
		{"recordings --identity " + strange, "exec (encrypted)", ""},
		{"replay aaaa", "", "--identity FILE names the file of its secret key"},
		{"replay aaaa --identity " + strange, "", "the recording is encrypted, and no key at hand opens it: it is to age1"},
		{"replay aaaa --identity " + none, "", "has no secret key of age"},
		{"replay aaaa --identity /nowhere", "", "cannot read the key of recordings"},
		{"replay aaaa --identity " + file, "aaaa", ""},
		{"recordings export aaaa", "", "--identity FILE names the file of its secret key"},
		{"recordings export aaaa --identity " + file, `"\u001b]0;title\u0007aaaa"]`, ""},
		{"recordings export aaaa --identity " + file, `"command":"make"`, ""},
	} {
		got, err := forkgate(t, "", append(strings.Fields(test.args), "--state", state)...)
		if !strings.Contains(got, test.want) || (err == nil) != (test.err == "") || err != nil && (!strings.Contains(err.Error(), test.err) || got != "") {
			t.Errorf("%s: %q, %v", test.args, got, err)
		}
	}
}

// What is exported is a recording like any other, and says the same.
func TestExport(t *testing.T) {
	state := taped(t, "aaaa")
	text, err := forkgate(t, "", "recordings", "export", "aaaa", "--state", state)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(archive.Dir(state), "2026-11-26", "aaaa"+archive.Extension), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := forkgate(t, "", "recordings", "export", "aaaa", "--state", state); err != nil || again != text {
		t.Errorf("%v\n%s\n%s", err, text, again)
	}
	if got, err := forkgate(t, "", "replay", "aaaa", "--raw", "--state", state); err != nil || got != "\x1b]0;title\x07aaaa" {
		t.Errorf("%q, %v", got, err)
	}
}

// What is watched ends when its session does, and not before; what came last is shown.
func TestWatchingEnds(t *testing.T) {
	grows := &slowly{parts: []string{"a", "", "", "b"}}
	n := 0
	got, err := io.ReadAll(&growing{ctx: t.Context(), from: grows, live: func() bool { n++; return n < 6 }})
	if err != nil || string(got) != "ab" {
		t.Errorf("%q, %v", got, err)
	}
}

// slowly has a part at each read, and end of file in between.
type slowly struct{ parts []string }

func (s *slowly) Read(p []byte) (int, error) {
	if len(s.parts) == 0 || s.parts[0] == "" {
		s.parts = s.parts[min(1, len(s.parts)):]
		return 0, io.EOF
	}
	n := copy(p, s.parts[0])
	s.parts = s.parts[1:]
	return n, nil
}
