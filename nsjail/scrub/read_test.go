package scrub

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"forkgate/nsjail/wire"
)

// What is read is what is in files of the data: nothing that links lead to, no more than fits, and nothing waits for a pipe.
func TestRead(t *testing.T) {
	c := newCopy(t)
	c.write(filepath.Join(c.data, "a/plain"), "one\ntwo")
	c.write(filepath.Join(c.data, "empty"), "")
	c.write(filepath.Join(c.data, "odd\xff\nname"), "odd")
	c.write(filepath.Join(c.data, "nul"), "a\x00b")
	c.write(filepath.Join(c.data, "latin1"), "caf\xe9")
	c.write(filepath.Join(c.data, "long"), strings.Repeat("x", wire.MaxText+1))
	for _, name := range []string{"fill1", "fill2", "fill3"} {
		c.write(filepath.Join(c.data, name), strings.Repeat("x", wire.MaxText-5))
	}
	c.write(filepath.Join(filepath.Dir(c.data), "outside"), "secret")
	for name, to := range map[string]string{"link": "a/plain", "out": "../outside", "up": "..", "way": "a"} {
		if err := os.Symlink(to, filepath.Join(c.data, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(c.data, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	plain := func(text string) wire.Text { return wire.Text{Is: wire.Plain, Text: []byte(text)} }
	filled := plain(strings.Repeat("x", wire.MaxText-5))
	tests := []struct {
		name string
		want wire.Text
	}{
		{"a/plain", plain("one\ntwo")}, {"empty", plain("")}, {"odd\xff\nname", plain("odd")}, {"nul", wire.Text{Is: wire.Binary}}, {"latin1", wire.Text{Is: wire.Binary}},
		{"long", wire.Text{Is: wire.Long}}, {"missing", wire.Text{Is: wire.None}}, {"a/plain/below", wire.Text{Is: wire.None}}, {"a", wire.Text{Is: wire.None}},
		{"link", wire.Text{Is: wire.None}}, {"out", wire.Text{Is: wire.None}}, {"way/plain", wire.Text{Is: wire.None}}, {"up/outside", wire.Text{Is: wire.None}}, {"../outside", wire.Text{Is: wire.None}}, {"/etc/passwd", wire.Text{Is: wire.None}}, {"pipe", wire.Text{Is: wire.None}},
		{"fill1", filled}, {"fill2", filled}, {"fill3", wire.Text{Is: wire.Enough}}, {"empty", plain("")},
	}
	var names [][]byte
	for _, test := range tests {
		names = append(names, []byte(test.name))
	}
	done := c.do(wire.Scrub{Name: "read", Read: names})
	if done.Error != "" || len(done.Steps) != 1 || len(done.Steps[0].Texts) != len(tests) {
		t.Fatalf("got %.300q, %d steps", done.Error, len(done.Steps))
	}
	for i, got := range done.Steps[0].Texts {
		if got.Is != tests[i].want.Is || !bytes.Equal(got.Text, tests[i].want.Text) {
			t.Errorf("%q: %s %.40q, want %s", tests[i].name, got.Is, got.Text, tests[i].want.Is)
		}
	}
}
