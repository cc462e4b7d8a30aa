package gate

import (
	"regexp"
	"testing"
)

func TestRedactions(t *testing.T) {
	all := Redactions{
		{"key", regexp.MustCompile(`sk_live_[0-9a-z]+`)},
		{"password", regexp.MustCompile(`(?i)password=\S+`)},
		{"nothing", regexp.MustCompile(`x*`)},
	}
	for text, want := range map[string]string{
		"":                                  "",
		"plain":                             "plain",
		"a sk_live_0 b sk_live_1":           "a [redacted:key] b [redacted:key]",
		"PASSWORD=sk_live_7 rest":           "[redacted:password] rest",
		"\xffpassword=\xfe\n":               "\xff[redacted:password]\n",
		"password=a password=b":             "[redacted:password] [redacted:password]",
		"xx sk_live_":                       "[redacted:nothing] sk_live_",
		"Password=x€ö and then sk_live_zzz": "[redacted:password] and then [redacted:key]",
	} {
		if got := all.Apply(text); got != want {
			t.Errorf("%q became %q, not %q", text, got, want)
		}
	}
	if got := Redactions(nil).Apply("password=a"); got != "password=a" {
		t.Errorf("nothing is to be redacted, and %q is left", got)
	}
}

// What overlaps is hidden whole, whichever pattern comes first.
func TestRedactionsThatOverlap(t *testing.T) {
	long, late := Redaction{"long", regexp.MustCompile(`ab+c`)}, Redaction{"late", regexp.MustCompile(`cd+`)}
	for _, all := range []Redactions{{long, late}, {late, long}} {
		if got := all.Apply("xabbcddy"); got != "x[redacted:long]y" {
			t.Errorf("%q", got)
		}
	}
}
