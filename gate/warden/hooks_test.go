package warden

import (
	"os"
	"path/filepath"
	"testing"
)

// A Rediaccfile is found at the top, whatever the case of its name; nothing that only looks like one is.
func TestHooksOf(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"Rediaccfile", "Rediaccfile"}, {"REDIACCFILE", "REDIACCFILE"}, {"rediaccfile", "rediaccfile"},
		{"rediaccfile.sh", ""}, {"sub/Rediaccfile", ""}, {"Redıaccfile", ""}, {"other", ""},
	} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(c.name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, c.name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := hooksOf(dir); got != c.want || err != nil {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	if got, err := hooksOf(filepath.Join(t.TempDir(), "no")); got != "" || err != nil {
		t.Errorf("of nothing: %q, %v", got, err)
	}
}
