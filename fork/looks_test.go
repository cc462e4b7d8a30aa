package fork

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// Each archive that tar makes, compressed or not, looks like one; text, other archives, and one whose header is damaged do not.
func TestLooksLikeTar(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "caf\xc3\xa9"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	looks := func(what string, archive []byte, want bool) {
		t.Helper()
		if got, err := LooksLikeTar(iotest.OneByteReader(bytes.NewReader(archive))); got != want || err != nil {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	packed := func(args ...string) []byte {
		t.Helper()
		out, err := exec.Command("tar", append([]string{"-c", "-C", dir}, args...)...).Output()
		if err != nil {
			t.Fatalf("tar %q: %v", args, err)
		}
		return out
	}
	for _, format := range []string{"v7", "oldgnu", "gnu", "ustar", "posix"} {
		archive := packed("--format="+format, "caf\xc3\xa9", ".")
		looks(format, archive, true)
		looks(format+", cut short", archive[:511], false)
		damaged := bytes.Clone(archive)
		damaged[0]++
		looks(format+", damaged", damaged, false)
	}
	var signed bytes.Buffer
	w := tar.NewWriter(&signed)
	if err := w.WriteHeader(&tar.Header{Name: "\xe9", Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	old := signed.Bytes()[:512]
	looks("bytes without a sign", old, true)
	copy(old[148:], fmt.Sprintf("%06o", sumOf(old)-256)) // the byte of its name counts as 0xe9 - 256
	looks("bytes with a sign", old, true)
	copy(old[148:], fmt.Sprintf("%06o", sumOf(old)+1))
	looks("bytes that somebody cannot count", old, false)
	for _, c := range compressions {
		looks(c.program, []byte(c.magic+"x"), true)
	}
	for what, text := range map[string]string{
		"nothing": "", "a line": "orders of today\n", "text": strings.Repeat("orders of today\n", 100), "zeros": strings.Repeat("\x00", 10240),
		"a zip": "PK\x03\x04" + strings.Repeat("x", 600), "digits": strings.Repeat("0", 1024), "spaces": strings.Repeat(" ", 1024),
	} {
		looks(what, []byte(text), false)
	}
	if _, err := LooksLikeTar(iotest.ErrReader(os.ErrPermission)); err == nil {
		t.Error("what cannot be read looks like something")
	}
}

// sumOf adds a header up, as pax(1) has it.
func sumOf(header []byte) (sum int) {
	for i, b := range header {
		if i >= 148 && i < 156 {
			b = ' '
		}
		sum += int(b)
	}
	return sum
}
