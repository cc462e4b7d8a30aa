package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that is given for a disk is told as that where setup asks, and stays what it was; a size is one that a pool can have.
func TestPoolsAnswers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db.dat")
	if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (hostPools{}).Device(t.Context(), file); err == nil || !strings.Contains(err.Error(), file+" is no block device") {
		t.Errorf("a file for a disk: %v", err)
	}
	if text, err := os.ReadFile(file); string(text) != "data" {
		t.Errorf("it holds %q, %v", text, err)
	}
	for size, ok := range map[string]bool{"20G": true, "1M": false, "20": false, "much": false} {
		if err := (hostPools{}).Size(size); (err == nil) != ok {
			t.Errorf("%s: %v", size, err)
		}
	}
}

// What is proposed is for who says nothing; what is no answer is asked for again; and the end of what is typed is no answer.
func TestTerminal(t *testing.T) {
	var out strings.Builder
	asks := func(typed string) *terminal { return &terminal{bufio.NewReader(strings.NewReader(typed)), &out} }
	if got, err := asks("\n").Ask("how large", "20G"); got != "20G" || err != nil {
		t.Errorf("nothing typed: %q, %v", got, err)
	}
	if got, err := asks("  1T \n").Ask("how large", "20G"); got != "1T" || err != nil {
		t.Errorf("a word typed: %q, %v", got, err)
	}
	if got, err := asks("1T").Ask("how large", "20G"); got != "" || !errors.Is(err, errNobody) {
		t.Errorf("a line without an end: %q, %v", got, err)
	}
	for typed, want := range map[string]bool{"\n": false, "y\nyes\n": true, "maybe\n\n": false, "no\n": false} {
		if got, err := asks(typed).Confirm("is it certain?", false); got != want || err != nil {
			t.Errorf("%q is %v, %v", typed, got, err)
		}
	}
	if err := asks("").Wrong(errors.New("/dev/x\x1b is no block device")); err != nil || !strings.Contains(out.String(), "/dev/x\\x1b is no block device\n") {
		t.Errorf("an answer that will not do: %v\n%s", err, &out)
	}
	if got, err := asks("y\n").Confirm("is it certain?", true); got || !errors.Is(err, errNobody) {
		t.Errorf("what is no answer, and then nothing: %v, %v", got, err)
	}
	if !strings.Contains(out.String(), "how large [20G]: ") || !strings.Contains(out.String(), "is it certain? (yes or no) [no]: \"maybe\" is neither yes nor no\n") {
		t.Errorf("it asks\n%s", &out)
	}
}
