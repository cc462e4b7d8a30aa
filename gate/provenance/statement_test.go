package provenance

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func bound(s Statement) Statement {
	s.Session, s.HostKey = "6162", "SHA256:x"
	return s
}

func encode(t testing.TB, s Statement) string {
	t.Helper()
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStatementsComeBack(t *testing.T) {
	s := bound(testStatement())
	s.Verdict, s.Agent = ByAgent, "Claude Code"
	s.Override = &Override{Value: "demo,shop", PID: 5, Start: 6, Protection: NoPtrace}
	text := encode(t, s)
	got, err := DecodeStatement([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if encode(t, got) != text || got.Version != StatementVersion {
		t.Errorf("got %+v", got)
	}
}

func TestStatementsThatAreNone(t *testing.T) {
	good := encode(t, bound(testStatement()))
	for name, text := range map[string]string{
		"nothing":               "",
		"no object":             "[]",
		"null":                  "null",
		"another version":       strings.Replace(good, `"version":1`, `"version":2`, 1),
		"no version":            strings.Replace(good, `"version":1,`, ``, 1),
		"an unknown field":      strings.Replace(good, `{"version"`, `{"x":1,"version"`, 1),
		"a field twice":         strings.Replace(good, `"verdict":"person"`, `"verdict":"agent","verdict":"person"`, 1),
		"a field in capitals":   strings.Replace(good, `"verdict"`, `"Verdict"`, 1),
		"a space":               strings.Replace(good, `,`, `, `, 1),
		"something behind it":   good + " ",
		"an unknown verdict":    strings.Replace(good, `"person"`, `"human"`, 1),
		"an unknown protection": strings.Replace(good, `"tiocsti"`, `"prayer"`, 1),
		"another uid":           strings.Replace(good, `"uid":1000`, `"uid":1001`, 1),
		"a negative uid":        strings.Replace(good, `"uid":1000`, `"uid":-1`, 1),
		"no chain":              good[:strings.Index(good, `"chain"`)] + `"chain":[],"protections":[]}`,
		"a person and an agent": strings.Replace(good, `"uid":1000`, `"agent":"Codex","uid":1000`, 1),
		"bound to nothing":      strings.Replace(good, `"6162"`, `""`, 1),
		"an escape":             strings.Replace(good, "unbroken", `\u001b[2J`, 1),
		"an override that cannot count": strings.Replace(good, `}]`, `}]`, 1)[:len(good)-1] +
			`,"override":{"value":"*","pid":1,"start":1,"protection":"ptrace"}}`,
		"too long": strings.Replace(good, "unbroken", strings.Repeat("x", MaxStatement), 1),
	} {
		if text == good {
			t.Errorf("%s: the row changes nothing", name)
		}
		if s, err := DecodeStatement([]byte(text)); !errors.Is(err, ErrStatement) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

// What processes call themselves must neither break a statement nor reach a terminal as it is.
func TestStatementsAreBounded(t *testing.T) {
	s := bound(testStatement())
	for range 100 {
		s.Chain = append(s.Chain, Link{PID: 1, Name: "\x1b[31m\xff\xffäöüäöü"})
		s.Reasons = append(s.Reasons, strings.Repeat("ä\x00", 1000))
	}
	s.Verdict = ByAgent
	s.Override = &Override{Value: strings.Repeat("\x1b", 5000), Refused: Malformed}
	text := encode(t, s)
	got, err := DecodeStatement([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Chain) != maxChain || len(got.Reasons) != maxReasons || strings.Contains(text, "\x1b") {
		t.Errorf("got %s", text)
	}
}

func TestOverridesGrant(t *testing.T) {
	good := Override{Value: "demo,shop", PID: 1, Start: 1, Protection: NoPtrace}
	for _, name := range []string{"demo", "shop"} {
		if !good.Grants(name) {
			t.Errorf("%q does not grant %s", good.Value, name)
		}
	}
	for _, name := range []string{"", "dem", "demo2", "demo,shop", "*"} {
		if good.Grants(name) {
			t.Errorf("%q grants %q", good.Value, name)
		}
	}
	for _, value := range []string{"*", "demo*", "", "demo,", " demo", "demo shop", "DEMO", "demo,*", "1=1"} {
		if o := (Override{Value: value, Protection: NoPtrace}); o.Grants("demo") {
			t.Errorf("%q grants demo", value)
		}
	}
	refused, unprotected := good, good
	refused.Refused, unprotected.Protection = SetByAgent, ""
	if refused.Grants("demo") || unprotected.Grants("demo") || (*Override)(nil).Grants("demo") || (&Override{}).Grants("demo") {
		t.Error("an override that does not count grants")
	}
}

func TestAPersonHasNoOverride(t *testing.T) {
	a := Attested{Statement: Statement{Verdict: ByPerson, Override: &Override{Value: "demo", Protection: NoPtrace}}}
	if a.Overrides("demo") || (Attested{}).Person() || (Attested{}).Overrides("demo") {
		t.Error("an override counts for somebody other than an agent")
	}
}

func TestWords(t *testing.T) {
	var zero Verdict
	if zero.String() != "unverified" {
		t.Errorf("the zero verdict is %s", zero)
	}
	if err := zero.UnmarshalText([]byte("Person")); err == nil {
		t.Error("Person is a verdict")
	}
	if p, err := ParseProtection("events"); err != nil || !slices.Contains(Protections(), p) {
		t.Errorf("events: %q, %v", p, err)
	}
	if _, err := ParseProtection(""); err == nil {
		t.Error("the empty word is a protection")
	}
}

// FuzzStatement tries what an attestor that was taken over may sign: what is read at all is written again as the same bytes.
func FuzzStatement(f *testing.F) {
	f.Add([]byte(encode(f, bound(testStatement()))))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeStatement(b)
		if err != nil {
			return
		}
		again, err := s.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%s is read, and written as %s, %v", b, again, err)
		}
		if s.Verdict == ByPerson && s.Override.Grants("demo") {
			t.Fatalf("a person's override counts: %s", b)
		}
	})
}
