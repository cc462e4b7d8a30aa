package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"forkgate/gate"
)

// told is what an index has of a session.
func told(t *testing.T, x *Index, session string) (said []string) {
	t.Helper()
	if err := x.Read(); err != nil {
		t.Fatal(err)
	}
	lines, err := x.Of(session)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		said = append(said, l.Entry.Event+" "+l.Entry.Session)
	}
	return said
}

// The index has the lines of a session, as they come, over files, and of the grant that it came by; and nobody's word for a field passes for one.
func TestIndex(t *testing.T) {
	o := options(t)
	l := reopen(t, o)
	defer l.Close()
	l.maxSize = 1 << 10 // bytes: many files
	x := NewIndex(o.Dir)
	if got := told(t, x, "s1"); got != nil {
		t.Errorf("of nothing: %q", got)
	}
	forged := request
	forged.Command = `","session":"s1","event":"ended","took":"1h`
	granted := request
	granted.Grant = "g1"
	for i := range 40 {
		err := l.Decision(fmt.Sprintf("other%d", i), forged, gate.Decision{Verdict: gate.Permit})
		if i == 5 {
			err = l.Grant("asking", granted, "approved")
		}
		if i == 10 {
			err = l.Decision("s1", granted, gate.Decision{Verdict: gate.Permit})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(told(t, x, "s1")); got != "[grant asking decision s1]" {
		t.Errorf("%s", got)
	}
	if _, over := x.Took("s1"); over {
		t.Error("it is over by what a command said")
	}
	if err := l.Ended("s1", granted, End{Took: 90 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(told(t, x, "s1")); got != "[grant asking decision s1 ended s1]" {
		t.Errorf("%s", got)
	}
	if took, over := x.Took("s1"); !over || took != 90*time.Second {
		t.Errorf("%v, %v", took, over)
	}
	all, err := numbers(o.Dir)
	if err != nil || len(all) < 3 {
		t.Fatalf("this tests one file: %v, %v", all, err)
	}
	// What was archived is left out, and no error.
	for _, n := range all[:len(all)-1] {
		if err := os.Remove(filepath.Join(o.Dir, fileName(n))); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(told(t, x, "s1")); got != "[ended s1]" {
		t.Errorf("%s", got)
	}
}

// Half a line is taken in when it has come to its end.
func TestIndexOfHalfALine(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, fileName(1))
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	x := NewIndex(dir)
	write(`{"v":2,"event":"started","session":"s1`)
	if got := told(t, x, "s1"); got != nil {
		t.Errorf("%q", got)
	}
	write(`"}` + "\n")
	if got := fmt.Sprint(told(t, x, "s1")); got != "[started s1]" {
		t.Errorf("%s", got)
	}
}
