package gate

import (
	"strings"
	"testing"
)

func TestParseRef(t *testing.T) {
	for in, want := range map[string]Ref{
		"demo":                       {Repo: "demo"},
		"demo:x":                     {Repo: "demo", Tag: "x"},
		"demo+x":                     {Repo: "demo", Tag: "x"},
		"demo=x":                     {Repo: "demo", Tag: "x"},
		"demo x":                     {Repo: "demo", Tag: "x"}, // what ssh:// makes of demo+x
		"demo+":                      {Repo: "demo", Fresh: true},
		"demo:":                      {Repo: "demo", Fresh: true},
		"7.a_b-c+1":                  {Repo: "7.a_b-c", Tag: "1"},
		strings.Repeat("a", MaxName): {Repo: strings.Repeat("a", MaxName)},
	} {
		got, err := ParseRef(in)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; not %+v", in, got, err, want)
		}
		if again, err := ParseRef(got.String()); err != nil || again != got {
			t.Errorf("%q is canonically %q, which reads as %+v, %v", in, got, again, err)
		}
	}
}

func TestParseRefRefuses(t *testing.T) {
	for _, in := range []string{
		"", "+x", ":", "..", "a..b", "-rf", ".hidden", "demo+-x", "demo+a+b", "demo/x", "../etc", "Demo", "démo", "de\x00mo", "demo\n",
		"demo\x1b[31m", "demo+x;id", strings.Repeat("a", MaxName+1), "demo+" + strings.Repeat("a", MaxName+1), strings.Repeat("a", 1<<20),
	} {
		ref, err := ParseRef(in)
		refusal, ok := AsRefusal(err)
		if !ok {
			t.Errorf("%.90q was read as %+v, %v", in, ref, err)
			continue
		}
		text, code := Explain(err, "s")
		if len(refusal.Reason) > 400 || strings.ContainsAny(text, "\x00\x1b") || code != ExitRefused {
			t.Errorf("%.90q is refused with %q and code %d", in, text, code)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add("demo+x")
	f.Fuzz(func(t *testing.T, in string) {
		ref, err := ParseRef(in)
		if err != nil {
			return
		}
		if again, err := ParseRef(ref.String()); err != nil || again != ref {
			t.Errorf("%q reads as %+v, its canonical text as %+v, %v", in, ref, again, err)
		}
		if strings.ContainsAny(ref.String(), "/\x00 \n") {
			t.Errorf("%q gives the ref %q", in, ref)
		}
	})
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain, and ünïcode":  "plain, and ünïcode",
		"\x1b]0;title\x07":    `\x1b]0;title\a`,
		"a\nb\tc":             `a\nb\tc`,
		"bad \xff byte":       `bad \xff byte`,
		"rtl \u202e override": `rtl \u202e override`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q is shown as %q, not %q", in, got, want)
		}
	}
}

// What is missing or malformed refuses.
func TestZeroValuesRefuse(t *testing.T) {
	var c Caller
	var d Decision
	var o Op
	if c.Kind != Agent || d.Verdict != Forbid || o.Valid() {
		t.Errorf("zero values: kind %v, verdict %v, op valid %v", c.Kind, d.Verdict, o.Valid())
	}
	var k Kind
	if err := k.UnmarshalText([]byte("HUMAN")); err == nil || k != Agent {
		t.Errorf("HUMAN was read as %v, %v", k, err)
	}
}

func TestExplainKeepsTheCauseFromTheCaller(t *testing.T) {
	text, code := Explain(errTest("disk /dev/sda1 is on fire"), "4711")
	if strings.Contains(text, "sda1") || !strings.Contains(text, "4711") || code != ExitFailed {
		t.Errorf("%q, %d", text, code)
	}
}

type errTest string

func (e errTest) Error() string { return string(e) }
