package tests

import (
	"os"
	"strings"
	"testing"

	"forkgate/gate"
)

// The document for callers has all control words. What the gate prints is compared with it by tests/docs, as root on a host; this needs neither.
func TestTheDocumentHasAllControlWords(t *testing.T) {
	text, err := os.ReadFile("../packaging/docs/callers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n$ ssh gate@db1 help\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var got, want []string
	for line := range strings.SplitSeq(table, "\n") {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	for _, v := range gate.Verbs() {
		want = append(want, strings.Join(strings.Fields(v.Name+" "+v.Args+" "+v.Summary), " "))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("callers.md has\n%s\nthe gate\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
