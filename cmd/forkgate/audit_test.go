package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/gate"
	"forkgate/gate/audit"
)

// auditLog is a state directory with a log of three decisions.
func auditLog(t *testing.T) (state string) {
	t.Helper()
	state = t.TempDir()
	l, err := audit.Open(audit.In(state), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []struct {
		who, repo string
		kind      gate.Kind
		verdict   gate.Verdict
	}{{"alice", "shop", gate.Human, gate.Permit}, {"bot", "shop", gate.Agent, gate.Forbid}, {"bot", "demo", gate.Agent, gate.Permit}} {
		r := gate.Request{Caller: gate.Caller{Principal: d.who, Kind: d.kind}, Op: gate.OpShell, Target: gate.Target{Repo: d.repo, Grand: true}}
		if err := l.Decision("s", r, gate.Decision{Verdict: d.verdict, Rule: "rule"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return state
}

// forkgate runs a command and returns what it prints.
func forkgate(t *testing.T, stdin string, args ...string) (stdout string, err error) {
	t.Helper()
	c := commands()
	var out bytes.Buffer
	c.SetArgs(args)
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(&out)
	c.SetErr(io.Discard)
	err = c.ExecuteContext(t.Context())
	return out.String(), err
}

func TestAuditQuery(t *testing.T) {
	state := auditLog(t)
	for _, test := range []struct {
		args string
		want []string // principal, in order
	}{
		{"", []string{"alice", "bot", "bot", ""}},
		{"--caller bot", []string{"bot", "bot"}},
		{"--kind human", []string{"alice"}},
		{"--repo shop", []string{"alice", "bot"}},
		{"--repo shop --verdict forbid", []string{"bot"}},
		{"--event anchor", []string{""}},
		{"--since 1h --event decision", []string{"alice", "bot", "bot"}},
		{"--until 1h", nil},
		{"--since 2031-01-01", nil},
		{"--session other", nil},
	} {
		got, err := forkgate(t, "", append([]string{"audit", "query", "--json", "--state", state}, strings.Fields(test.args)...)...)
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
		}
		lines := strings.Split(strings.TrimSpace(got), "\n")
		if got == "" {
			lines = nil
		}
		if len(lines) != len(test.want) {
			t.Errorf("%s: %d lines, not %d:\n%s", test.args, len(lines), len(test.want), got)
			continue
		}
		for i, who := range test.want {
			if who != "" && !strings.Contains(lines[i], `"principal":"`+who+`"`) {
				t.Errorf("%s: line %d is %s", test.args, i, lines[i])
			}
		}
	}
	for _, bad := range []string{"--kind robot", "--since soon", "--event none", "word"} {
		if _, err := forkgate(t, "", append([]string{"audit", "query", "--state", state}, strings.Fields(bad)...)...); err == nil {
			t.Errorf("%s is no error", bad)
		}
	}
}

func TestAuditVerify(t *testing.T) {
	state := auditLog(t)
	said, err := forkgate(t, "", "audit", "verify", "--state", state)
	if err != nil || !strings.Contains(said, "lines     4\nanchored  until "+time.Now().UTC().Format("2006")) {
		t.Errorf("%s, %v", said, err)
	}
	anchor, err := os.ReadFile(filepath.Join(state, "audit.anchor"))
	if err != nil {
		t.Fatal(err)
	}
	journal := `level=INFO msg=anchor line="` + strings.ReplaceAll(strings.TrimSpace(string(anchor)), `"`, `\"`) + "\"\n"
	syslog := "2026-11-26T12:00:00.123456+00:00 db1 forkgate-audit[77]: " + string(anchor)
	for _, anchors := range []string{journal, syslog, string(anchor)} {
		if said, err := forkgate(t, anchors, "audit", "verify", "--state", state, "--anchors", "-", "--json"); err != nil || !strings.Contains(said, `"findings": []`) {
			t.Errorf("%s, %v", said, err)
		}
	}
	if _, err := forkgate(t, "rubbish\n", "audit", "verify", "--state", state, "--anchors", "-"); err == nil || !strings.Contains(err.Error(), "-:1 is no anchor") {
		t.Errorf("rubbish: %v", err)
	}
	for _, none := range []string{"", "-- No entries --\n", "\n"} {
		if said, err := forkgate(t, none, "audit", "verify", "--state", state, "--anchors", "-"); err == nil || !strings.Contains(err.Error(), "there is no anchor in -") {
			t.Errorf("no anchors: %v, %s", err, said)
		}
	}
	file := filepath.Join(state, "audit", "audit-000001.jsonl")
	text, _ := os.ReadFile(file)
	if err := os.WriteFile(file, bytes.Replace(text, []byte("alice"), []byte("carol"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := forkgate(t, "", "audit", "verify", "--state", state); err == nil || !strings.Contains(said, "audit-000001.jsonl:1: this line is not the one") {
		t.Errorf("%s, %v", said, err)
	}
	if err := os.Remove(filepath.Join(state, "audit.anchor")); err != nil {
		t.Fatal(err)
	}
	if said, _ := forkgate(t, "", "audit", "verify", "--state", state); !strings.Contains(said, "the copy of the newest anchor is gone") {
		t.Errorf("%s", said)
	}
}

func TestAuditTailAndKey(t *testing.T) {
	state := auditLog(t)
	if said, err := forkgate(t, "", "audit", "tail", "--state", state, "-n", "2"); err != nil || strings.Count(said, "\n") != 2 ||
		!strings.Contains(said, "decision  permit  agent bot  shell  demo  rule rule  session s\n") {
		t.Errorf("%s, %v", said, err)
	}
	if said, err := forkgate(t, "", "audit", "key", "--state", state); err != nil || !strings.HasPrefix(said, "SHA256:") {
		t.Errorf("%s, %v", said, err)
	}
	if _, err := forkgate(t, "", "audit", "verify", "--state", t.TempDir()); err == nil {
		t.Error("a log that is not there is as it was written")
	}
}
