package gate

import (
	"strconv"
	"strings"
	"testing"
)

func TestExact(t *testing.T) {
	for in, want := range map[string]string{
		"make deploy":                      "make deploy",
		`psql -c "select 1" | tee 'x'`:     `psql -c "select 1" | tee 'x'`,
		"ls\n\rrm -rf /\x1b[1A\x1b[2K":     `ls\n\rrm -rf /\x1b[1A\x1b[2K`,
		`a\nb`:                             `a\\nb`,
		"a\nb":                             `a\nb`,
		"ls   # ":                          `ls \x20\x20#\x20`,
		" ":                                `\x20`,
		"r\u202eme\u2066":                  `r\u202eme\u2066`,
		"c\u0430t gr\u00fcn \U0001f600":    `c\u0430t gr\u00fcn \U0001f600`,
		"\x80\u0080\ufffd\xff":             `\x80\u0080\ufffd\xff`,
		"zero\u200bwidth\u00a0and\tblanks": `zero\u200bwidth\u00a0and\tblanks`,
		"":                                 "",
	} {
		if got := Exact(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
}

// Whatever it shows can be read back, so that no two texts are shown alike, and none has anything in it that a terminal obeys.
func FuzzExact(f *testing.F) {
	f.Add("ls\nrm -rf /")
	f.Add(`"\x20" \ `)
	f.Fuzz(func(t *testing.T, s string) {
		shown := Exact(s)
		if i := strings.IndexFunc(shown, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
			t.Errorf("%q is shown as %q", s, shown)
		}
		back, err := strconv.Unquote(`"` + strings.ReplaceAll(shown, `"`, `\"`) + `"`)
		if err != nil || back != s {
			t.Errorf("%q is shown as %s, which is %q: %v", s, shown, back, err)
		}
	})
}
