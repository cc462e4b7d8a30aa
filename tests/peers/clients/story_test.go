package clients

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// story is something longer that a client does: a script in testdata, and all that it prints, as a regular expression for the whole.
type story struct {
	name, prints string
	person       bool // by a person's key, in a fork of the person's
}

// stories are what goes beyond the table: all that OpenSSH's sftp can ask for, a way through the gate to a server inside, and editors.
func stories() []story {
	return []story{
		{name: "extensions", prints: `2 3000000 7111\nd 988\nsame\n`},
		{name: "jump", prints: `7111 127\.0\.0\.1 2200\nsame\nrefused\n`},
		{name: "vscode", prints: `linux (?:x86_64|aarch64)\n40 windows\ngone\n`},
		{name: "vscode", person: true, prints: `linux (?:x86_64|aarch64)\n40 windows\n`},
		{name: "jetbrains", prints: `Linux \S+\n40 by port\n8 by socket\n`},
		{name: "zed", prints: `Linux \S+\n300 messages\nextracted\nhome alone\n`},
		{name: "tramp", prints: `one\ntwo\npts/\d+ *\n7111\nsame\n`},
		{name: "netrw", prints: `before\nadded\n`},
	}
}

// who is the principal.
func (s story) who() string {
	if s.person {
		return s.name + "-person"
	}
	return s.name
}

func (s story) run(t *testing.T, w *world, nth int) {
	script, err := os.ReadFile(filepath.Join(w.testdata, s.name+".sh"))
	if err != nil {
		t.Fatal(err)
	}
	k := w.work(t, s.who(), nth)
	r := k.run(t, k.login, k.key, string(script))
	if r.Code != 0 || !regexp.MustCompile(`^(?:`+s.prints+`)$`).MatchString(r.Stdout) {
		t.Fatalf("exit code %d, and it printed\n%.2000s\n%.4000s", r.Code, r.Stdout, r.Stderr)
	}
}
