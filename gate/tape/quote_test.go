package tape

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzQuoted compares with encoding/json, which every reader has to agree with.
func FuzzQuoted(f *testing.F) {
	for _, text := range []string{"", "plain", "a \"quote\" and a \\", "\x00\x1b[31m\b\f\n\r\t\x1f\x7f", "grün €  \u2028\u2029\U0001f600", "\xff\xc3", "\xed\xa0\x80", "<a>&</a>"} {
		for n := range 9 { // wherever in its eight bytes it stands
			f.Add(strings.Repeat("x", n) + text + "and more behind it")
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(text); err != nil {
			t.Fatal(err)
		}
		if got := appendQuoted(nil, []byte(text)); string(got)+"\n" != want.String() {
			t.Errorf("%q: %s, want %s", text, got, want.String())
		}
	})
}
