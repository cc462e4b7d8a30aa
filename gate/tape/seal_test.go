package tape

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"

	"forkgate/gate"
)

func identity(t testing.TB) *age.X25519Identity {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Whoever has the key of one of the recipients reads all of it; nobody else reads what was said, only about whom it is.
func TestSealed(t *testing.T) {
	first, second, stranger := identity(t), identity(t), identity(t)
	terms, to := Terms{Limit: 1 << 20}, []string{first.Recipient().String(), second.Recipient().String()}
	pieces := [][2]string{{Output, "a secret\r\n"}, {Errors, "\xe2\x82"}, {Errors, "\xac"}}
	for _, key := range []age.Identity{first, second} {
		got, err := recordedBy(t, terms, to, []age.Identity{stranger, key}, pieces...)
		if err != nil || got[Output] != "a secret\r\n" || got[Errors] != "€" {
			t.Errorf("%q, %v", got, err)
		}
	}
	var file bytes.Buffer
	w := writer(t, &file, terms, to...)
	if err := w.Write(Output, []byte("a secret")); err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{"secret", "make", "exec in demo"} {
		if bytes.Contains(file.Bytes(), []byte(hidden)) {
			t.Errorf("%q stands in the file", hidden)
		}
	}
	for name, keys := range map[string][]age.Identity{"no key": nil, "a stranger's": {stranger}} {
		r, err := NewReader(bytes.NewReader(file.Bytes()), keys...)
		if err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := NewReader(bytes.NewReader(file.Bytes()), first)
	if err != nil || r.Header.Command != "make" || r.Header.Forkgate.Session != "s" {
		t.Errorf("%v, %+v", err, r)
	}
	for _, bad := range []string{"", "age1", "AGE-SECRET-KEY-1"} {
		if _, _, err := (Header{}).Begin([]string{bad}, nil); err == nil {
			t.Errorf("begun for %q", bad)
		}
	}
	if _, err := NewWriter(io.Discard, Terms{Key: []byte("short")}); err == nil {
		t.Error("half a key encrypts")
	}
}

// The first line, which is not encrypted, is compared with what is; nor is what stands behind another one taken for what it says.
func TestTheFirstLineIsCompared(t *testing.T) {
	key := identity(t)
	var one, other bytes.Buffer
	for _, file := range []*bytes.Buffer{&one, &other} {
		if err := writer(t, file, Terms{Limit: 1 << 20}, key.Recipient().String()).Write(Output, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	first, rest, _ := bytes.Cut(one.Bytes(), []byte("\n"))
	for name, forged := range map[string][]byte{
		"another session": bytes.Replace(first, []byte(`"session":"s"`), []byte(`"session":"t"`), 1),
		"another person":  bytes.Replace(first, []byte(`"principal":""`), []byte(`"principal":"anna"`), 1),
		"another time":    bytes.Replace(first, []byte("0001-01-01"), []byte("2026-11-26"), 1),
	} {
		if bytes.Equal(forged, first) {
			t.Fatalf("%s: nothing is forged in %s", name, first)
		}
		if _, err := NewReader(bytes.NewReader(append(append(forged, '\n'), rest...)), key); !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewReader(bytes.NewReader(one.Bytes()), key); err != nil {
		t.Errorf("the control: %v", err)
	}
}

// A recording that broke off ends there, and one that was changed is not believed.
func TestSealedAndBroken(t *testing.T) {
	key := identity(t)
	var file bytes.Buffer
	w := writer(t, &file, Terms{Limit: 1 << 20}, key.Recipient().String())
	start := file.Len()
	if err := w.Write(Output, []byte("one")); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	read := func(text []byte) (string, error) {
		r, err := NewReader(bytes.NewReader(text), key)
		if err != nil {
			return "", err
		}
		e, err := r.Next()
		return e.Data, err
	}
	for end := start; end < len(whole); end++ {
		if got, err := read(whole[:end]); !errors.Is(err, io.EOF) {
			t.Fatalf("cut at %d: %q, %v", end, got, err)
		}
	}
	for at := start; at < len(whole); at++ {
		changed := bytes.Clone(whole)
		changed[at] ^= 1
		if got, err := read(changed); err == nil {
			t.Fatalf("changed at %d, it says %q", at, got)
		}
	}
	if got, err := read(whole); err != nil || got != "one" {
		t.Errorf("the control: %q, %v", got, err)
	}
}

func hides(patterns ...string) (all gate.Redactions) {
	for _, p := range patterns {
		all = append(all, gate.Redaction{Name: "x", Pattern: regexp.MustCompile(p)})
	}
	return all
}

// What is redacted is nowhere on the tape, wherever it was cut, and all else is.
func TestRedacted(t *testing.T) {
	const text = "before sk_live_abc after\r\nprompt> "
	const want = "before [redacted:x] after\r\nprompt> "
	for at := range len(text) + 1 {
		got, err := recordedBy(t, Terms{Limit: 1 << 20, Redactions: hides("sk_live_[a-z]+")}, nil, nil, [2]string{Output, text[:at]}, [2]string{Output, text[at:]})
		if err != nil || got[Output] != want {
			t.Fatalf("cut at %d: %q, %v", at, got[Output], err)
		}
	}
	// Byte by byte, and the streams apart.
	var pieces [][2]string
	for i := range len(text) {
		pieces = append(pieces, [2]string{Output, text[i : i+1]}, [2]string{Errors, text[i : i+1]})
	}
	got, err := recordedBy(t, Terms{Limit: 1 << 20, Redactions: hides("sk_live_[a-z]+")}, nil, nil, pieces...)
	if err != nil || got[Output] != want || got[Errors] != want {
		t.Errorf("%q, %v", got, err)
	}
}

// A secret that is to be read is one, whatever stands between its letters; what has none keeps its colours.
func TestRedactedAsItIsRead(t *testing.T) {
	all := hides("sk_live_[a-z]+")
	for _, text := range []string{
		"sk_\x00live_abc", "sk_\x1b]0;t\x07live_abc", "sk_\x1b[31mlive_\x1b[0mabc", "sk_lx\bive_abc", "sk_\u200blive_abc", "sk_\x1b[0Klive_abc", "s\x1b(Bk_live_abc",
		"sk_l\u009b31mive_abc", "sk_€\blive_abc",
	} {
		for _, end := range []string{"\r\n", ""} {
			got, err := recordedBy(t, Terms{Limit: 1 << 20, Redactions: all}, nil, nil, [2]string{Output, "a " + text[:4]}, [2]string{Output, text[4:] + " b" + end})
			if err != nil || got[Output] != "a [redacted:x] b"+end {
				t.Errorf("%q became %q, %v", text, got[Output], err)
			}
		}
	}
	const coloured = "\x1b[31mred\x1b[0m and sk_liv\x1b[1m\r\n"
	if got, err := recordedBy(t, Terms{Limit: 1 << 20, Redactions: all}, nil, nil, [2]string{Output, coloured}); err != nil || got[Output] != coloured {
		t.Errorf("%q, %v", got[Output], err)
	}
}

// A line without an end does not fill the memory, and hides what it has to all the same.
func TestALongLineIsRedacted(t *testing.T) {
	secret := "sk_live_" + strings.Repeat("z", 50)
	line := strings.Repeat("ö", 3000) + secret + strings.Repeat("ä", 9000) + secret
	for _, size := range []int{1, 7, 1000, 4096, len(line)} {
		var file bytes.Buffer
		w := writer(t, &file, Terms{Limit: 1 << 20, Redactions: hides("sk_live_z+")})
		for at := 0; at < len(line); at += size {
			if err := w.Write(Output, []byte(line[at:min(at+size, len(line))])); err != nil {
				t.Fatal(err)
			}
			if held := len(w.of[Output].held); held > 2*maxHeld {
				t.Fatalf("%d bytes are held", held)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if text := file.String(); strings.Contains(text, "sk_live") || strings.Count(text, "ä") != 9000 || strings.Count(text, "[redacted:x]") != 2 {
			t.Errorf("in pieces of %d: %d, %d", size, strings.Count(text, "ä"), strings.Count(text, "[redacted:x]"))
		}
	}
}

// One match that never ends goes on being one, and nothing of it is shown.
func TestAMatchWithoutEnd(t *testing.T) {
	var file bytes.Buffer
	w := writer(t, &file, Terms{Limit: 1 << 20, Redactions: hides("z+")})
	for range 100 {
		if err := w.Write(Output, bytes.Repeat([]byte("z"), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || bytes.Contains(file.Bytes(), []byte("z")) {
		t.Errorf("%v, %d", err, file.Len())
	}
}

func FuzzRedacted(f *testing.F) {
	f.Add("a sk_live_x\nb", 4)
	f.Add(strings.Repeat("a", 5000)+"sk_live_x", 5002)
	f.Fuzz(func(t *testing.T, text string, at int) {
		at = min(max(at, 0), len(text))
		all := hides("sk_live_[a-z]+")
		got, err := recordedBy(t, Terms{Limit: 1 << 30, Redactions: all}, nil, nil, [2]string{Output, text[:at]}, [2]string{Output, text[at:]})
		if err != nil {
			t.Fatal(err)
		}
		if want := all.Apply(strings.ToValidUTF8(text, "\ufffd")); strings.Contains(got[Output], "sk_live_a") && !strings.Contains(want, "sk_live_a") {
			t.Errorf("%q became %q", text, got[Output])
		}
	})
}

func BenchmarkTape(b *testing.B) {
	line := bytes.Repeat([]byte("an ordinary line of output, as commands have it\r\n"), 80)
	for name, terms := range map[string]Terms{
		"plain":    {},
		"sealed":   {Key: make([]byte, 32)},
		"redacted": {Redactions: hides("sk_live_[a-z]+", "(?i)password=\\S+")},
	} {
		b.Run(name, func(b *testing.B) {
			terms.Limit = 1 << 60
			w, err := NewWriter(io.Discard, terms)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				if err := w.Write(Output, line); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
