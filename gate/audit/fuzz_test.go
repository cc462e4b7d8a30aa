package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"forkgate/gate"
)

// Whatever becomes of a log, reading it ends; and what is said to be as it was written, is: nothing before a signature can be changed unseen.
func FuzzVerify(f *testing.F) {
	o := options(f)
	l := reopen(f, o)
	for range 4 {
		must(f, l.Decision("s", request, gate.Decision{Verdict: gate.Permit, Rule: "work"}))
		must(f, l.Anchor())
	}
	must(f, l.Close())
	key, err := PublicKey(o.Key)
	must(f, err)
	all, err := numbers(o.Dir)
	must(f, err)
	was, err := os.ReadFile(filepath.Join(o.Dir, fileName(all[len(all)-1])))
	must(f, err)
	f.Add(uint16(0), uint16(0), []byte{})
	f.Add(uint16(10), uint16(1), []byte("x"))
	f.Add(uint16(200), uint16(0), []byte("\n"))
	f.Add(uint16(0), uint16(len(was)/2), []byte{})
	f.Add(uint16(len(was)-10), uint16(10), []byte{})
	f.Add(uint16(len(was)), uint16(0), []byte(`{"v":2,"seq":99,"event":"torn","torn":"x"}`+"\n"))
	f.Add(uint16(len(was)), uint16(0), slices.Concat(was, []byte{0xff, '\n'}))
	f.Fuzz(func(t *testing.T, at, cut uint16, instead []byte) {
		begin := min(int(at), len(was))
		end := min(begin+int(cut), len(was))
		now := slices.Concat(was[:begin], instead, was[end:])
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, fileName(all[len(all)-1])), now, 0o600))
		_ = NewIndex(dir).Read()
		report, err := Verify(dir, key)
		if err != nil || len(report.Findings) > 0 || report.AnchorLine == 0 {
			return
		}
		signed := 0 // bytes before the anchor's own line, which signs what is before it and not how it is written itself
		for range report.AnchorLine - 1 {
			signed += bytes.IndexByte(was[signed:], '\n') + 1
		}
		if !bytes.HasPrefix(now, was[:signed]) {
			t.Fatalf("said to be as it was written up to line %d:\n%s", report.AnchorLine, now)
		}
	})
}
