package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/gate"
	"forkgate/gate/archive"
	"forkgate/gate/audit"
	"forkgate/gate/tape"
)

// A recording of sftp is a line for each operation, of which no path drives the terminal, whatever is on the tape.
func TestReplayOfFiles(t *testing.T) {
	state := taped(t, "aaaa")
	file, err := os.OpenFile(filepath.Join(archive.Dir(state), "2026-11-26", "aaaa"+archive.Extension), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := tape.NewWriter(file, tape.Terms{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 11, 26, 12, 0, 0, 0, time.Local)
	for _, f := range []tape.File{
		{Did: "write", Path: "f", Size: 3, SHA256: strings.Repeat("ab", 32), Outcome: "ok", Began: began},
		{Did: "rename", Path: "f\x1b[2J", To: "g", Outcome: "no such file", Began: began.Add(time.Second)},
	} {
		if err := w.File(f); err != nil {
			t.Fatal(err)
		}
	}
	got, err := forkgate(t, "", "replay", "--state", state, "aaaa")
	want := "12:00:00  write f, 3 bytes, sha256 " + strings.Repeat("ab", 32) + "\n12:00:01  rename f\\x1b[2J -> g: no such file\n"
	if err != nil || !strings.HasSuffix(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

// The record tells of files in the same words.
func TestAuditQueryOfFiles(t *testing.T) {
	state := t.TempDir()
	l, err := audit.Open(audit.In(state), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r := gate.Request{Caller: gate.Caller{Principal: "bot", Kind: gate.Agent}, Op: gate.OpSFTP, Target: gate.Target{Repo: "shop", Grand: true}}
	if err := l.File("s", r, gate.FileOperation{Did: gate.FileRead, Path: []byte("a\x1b\xff"), Size: 5, Partial: true, Outcome: gate.FileOK}); err != nil {
		t.Fatal(err)
	}
	if err := l.File("s", r, gate.FileOperation{Did: gate.FileRemove, Path: []byte("b"), Outcome: "failure"}); err != nil {
		t.Fatal(err)
	}
	l.Files("s", r, 12)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := forkgate(t, "", "audit", "query", "--state", state, "--event", "file")
	if err != nil || strings.Count(got, "\n") != 2 ||
		!strings.Contains(got, `file  agent bot  sftp  shop  read a\x1b\xff, 5 bytes, not the whole of its beginning  session s`+"\n") ||
		!strings.Contains(got, "file  agent bot  sftp  shop  remove b: failure  session s\n") {
		t.Errorf("%s, %v", got, err)
	}
	got, err = forkgate(t, "", "audit", "query", "--state", state, "--event", "summed")
	if err != nil || !strings.Contains(got, "agent bot  sftp  shop  count 12  - so many operations on files") {
		t.Errorf("%s, %v", got, err)
	}
}
