package main

import (
	"bufio"
	"errors"
	"strings"
	"testing"
)

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
	if got, err := asks("y\n").Confirm("is it certain?", true); got || !errors.Is(err, errNobody) {
		t.Errorf("what is no answer, and then nothing: %v, %v", got, err)
	}
	if !strings.Contains(out.String(), "how large [20G]: ") || !strings.Contains(out.String(), "is it certain? (yes or no) [no]: ") {
		t.Errorf("it asks\n%s", &out)
	}
}
