package audit

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"forkgate/gate"
)

// What was done to a file is a line that no path can forge or break, with the session's own fields.
func TestAFile(t *testing.T) {
	l, path := open(t)
	began := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	must(t, l.Decision("s1", request, gate.Decision{Verdict: gate.Permit}))
	must(t, l.File("s1", request, gate.FileOperation{
		Did: gate.FileRename, Path: []byte("a\n\x1b[2J\xff"), To: []byte("b\u202e\\"), Outcome: gate.FileOK, Began: began,
	}))
	must(t, l.File("s1", request, gate.FileOperation{
		Did: gate.FileWrite, Path: []byte("f"), Size: 3, SHA256: strings.Repeat("ab", 32), Outcome: "fail\nure", Change: "\x07", Began: began,
	}))
	must(t, l.Unfollowed("s1", request, "this is no SFTP\x07"))
	text, err := os.ReadFile(path)
	must(t, err)
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	entries := make([]Entry, 0, 3)
	for _, line := range lines {
		var e Entry
		must(t, json.Unmarshal(line, &e))
		if e.Event == EventFile {
			entries = append(entries, e)
		}
	}
	if len(entries) != 3 {
		t.Fatalf("%d lines:\n%s", len(entries), text)
	}
	a, b, c := entries[0], entries[1], entries[2]
	if a.Did != "rename" || a.Path != `a\n\x1b[2J\xff` || a.To != `b\u202e\\` || a.Principal != request.Caller.Principal || a.Ref == "" || a.Parent == 0 || !a.Began.Equal(began) {
		t.Errorf("%+v", a)
	}
	if b.Size != 3 || b.SHA256 == "" || b.Outcome != `fail\nure` || b.Change != `\a` || b.Session != "s1" {
		t.Errorf("%+v", b)
	}
	if c.Reason != `what it does to files cannot be told any more: this is no SFTP\a` {
		t.Errorf("%+v", c)
	}
	if bytes.ContainsAny(text, "\x1b\x07") {
		t.Errorf("control characters are in %q", text)
	}
}

// A million files fill no disk, and hide nobody else's; the control is those that have lines.
func TestFilesAreSummed(t *testing.T) {
	l, path := open(t)
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	l.now = func() time.Time { return now }
	op := gate.FileOperation{Did: gate.FileRemove, Path: []byte("file"), Outcome: gate.FileOK}
	for range gate.FileLines + 50 {
		must(t, l.File("s", request, op))
	}
	other := request
	other.Caller.Principal = "bob"
	must(t, l.File("s", other, op))
	op.Path = []byte("removed last")
	must(t, l.File("s", request, op))
	l.Files("s", other, 7)
	l.sumUp()
	l.sumUp()
	text, _ := os.ReadFile(path)
	if got := bytes.Count(text, []byte(`"event":"file"`)); got != gate.FileLines+1 {
		t.Errorf("%d operations have lines", got)
	}
	if bytes.Count(text, []byte(`"count":51`)) != 1 || bytes.Count(text, []byte(`"count":7`)) != 1 || bytes.Count(text, []byte(`"event":"summed"`)) != 2 ||
		bytes.Count(text, []byte(`removed last`)) != 1 {
		t.Errorf("the log ends %s", text[max(0, len(text)-1500):])
	}
}

// Long paths count for more: what may be written is bytes.
func TestLongPathsAreSummedSooner(t *testing.T) {
	l, path := open(t)
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	l.now = func() time.Time { return now }
	long := bytes.Repeat([]byte{0xff}, gate.MaxFilePath)
	for range gate.FileLines {
		must(t, l.File("s", request, gate.FileOperation{Did: gate.FileRename, Path: long, To: long, Outcome: gate.FileOK}))
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 2*gate.FileLines<<10 {
		t.Errorf("the log has %d bytes, %v", info.Size(), err)
	}
}
