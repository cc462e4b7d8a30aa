package tape

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"forkgate/gate"
)

// What was done to a file is on the tape at once, whatever is redacted, and a path that is stands there as such.
func TestAFile(t *testing.T) {
	for _, hide := range []gate.Redactions{nil, {{Name: "key", Pattern: regexp.MustCompile(`sk_[a-z]+`)}}} {
		var file bytes.Buffer
		w, err := NewWriter(&file, Terms{Limit: 1 << 20, Redactions: hide})
		if err != nil {
			t.Fatal(err)
		}
		put := File{Did: "rename", Path: `a\x07`, To: "b/sk_live", Outcome: "ok", Began: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
		if err := w.File(put); err != nil {
			t.Fatal(err)
		}
		before := file.Len()
		if err := w.Close(); err != nil || file.Len() != before {
			t.Errorf("%d bytes were held back, %v", file.Len()-before, err)
		}
		r, err := NewReader(strings.NewReader(`{"version":2}` + "\n" + file.String()))
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.File()
		if hide != nil {
			put.To = "b/[redacted:key]"
		}
		if err != nil || e.Code != Files || got != put {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if _, err := (Event{Code: Files, Data: "x"}).File(); err == nil {
		t.Error("anything is a file")
	}
}

func TestAFileIsALine(t *testing.T) {
	for want, f := range map[string]File{
		"write a, 3 bytes, sha256 ab":                     {Did: "write", Path: "a", Size: 3, SHA256: "ab", Outcome: "ok"},
		"read a, 3 bytes, not the whole of its beginning": {Did: "read", Path: "a", Size: 3, Partial: true, Outcome: "ok"},
		"rename a -> b: permission denied":                {Did: "rename", Path: "a", To: "b", Outcome: "permission denied"},
		"setstat a, mode 0600":                            {Did: "setstat", Path: "a", Change: "mode 0600", Outcome: "ok"},
		"unfollowed: this is no SFTP":                     {Did: Unfollowed, Outcome: "this is no SFTP"},
	} {
		if got := f.String(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
