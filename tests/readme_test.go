package tests

import (
	"os"
	"strings"
	"testing"

	"forkgate/gate"
)

// README's table of control words is the one that the gate answers by.
func TestREADMEHasAllControlWords(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## What callers see")
	var lines []string
	for line := range strings.SplitSeq(table, "\n") {
		if strings.HasPrefix(line, "    ") {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		} else if len(lines) > 0 {
			break
		}
	}
	var want []string
	for _, v := range gate.Verbs() {
		want = append(want, strings.Join(strings.Fields(v.Name+" "+v.Args+" "+v.Summary), " "))
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("README has\n%s\nthe gate\n%s", got, strings.Join(want, "\n"))
	}
}
