package tape

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"filippo.io/age"
)

// recorded is what comes of pieces, by code.
func recorded(t *testing.T, limit int64, pieces ...[2]string) (map[string]string, error) {
	t.Helper()
	return recordedBy(t, Terms{Limit: limit}, nil, nil, pieces...)
}

// recordedBy is what comes of them on some terms, read with some keys.
func recordedBy(t *testing.T, terms Terms, to []string, keys []age.Identity, pieces ...[2]string) (map[string]string, error) {
	t.Helper()
	var file bytes.Buffer
	w := writer(t, &file, terms, to...)
	var err error
	for _, p := range pieces {
		err = errors.Join(err, w.Write(p[0], []byte(p[1])))
	}
	err = errors.Join(err, w.Close())
	r, failed := NewReader(&file, keys...)
	if failed != nil || r.Header.Forkgate.Session != "s" || r.Header.Version != 2 {
		t.Fatalf("%+v, %v", r, failed)
	}
	got := map[string]string{}
	for {
		e, failed := r.Next()
		if errors.Is(failed, io.EOF) {
			return got, err
		}
		if failed != nil {
			t.Fatal(failed)
		}
		got[e.Code] += e.Data
	}
}

// writer begins a recording.
func writer(t *testing.T, file *bytes.Buffer, terms Terms, recipients ...string) *Writer {
	t.Helper()
	h := Header{Width: 80, Height: 24, Title: "exec in demo", Command: "make", Forkgate: About{Session: "s"}}
	head, key, err := h.Begin(recipients, terms.Redactions)
	terms.Key = key
	if err != nil {
		t.Fatal(err)
	}
	file.Write(head)
	w, err := NewWriter(file, terms)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// What was written comes back byte for byte, however it was cut, and what is no UTF-8 spoils nothing.
func TestPieces(t *testing.T) {
	for _, test := range []struct {
		pieces      [][2]string
		out, errors string
	}{
		{[][2]string{{Output, "one\r\n"}, {Errors, "two\n"}, {Output, "\x1b[31mthree\x00"}}, "one\r\n\x1b[31mthree\x00", "two\n"},
		{[][2]string{{Output, "\xe2"}, {Errors, "\xc3"}, {Output, "\x82"}, {Errors, "\xa4"}, {Output, "\xac5"}}, "€5", "ä"},
		{[][2]string{{Output, "\xf0\x9f\x98"}, {Output, "\x80"}}, "😀", ""},
		{[][2]string{{Output, "a\xffb\xe2\x82"}}, "a\ufffdb\ufffd\ufffd", ""},
		{[][2]string{{Output, "<&>\"\\\u2028\u202e"}}, "<&>\"\\\u2028\u202e", ""},
	} {
		got, err := recorded(t, 1<<20, test.pieces...)
		if err != nil || got[Output] != test.out || got[Errors] != test.errors {
			t.Errorf("%q: %q, %v", test.pieces, got, err)
		}
	}
}

func TestALimit(t *testing.T) {
	got, err := recorded(t, 60, [2]string{Output, "first"}, [2]string{Output, strings.Repeat("x", 60)}, [2]string{Output, "third"})
	if !errors.Is(err, ErrFull) || got[Output] != "first" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAFailureIsForGood(t *testing.T) {
	w, err := NewWriter(full{}, Terms{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(Output, []byte("x")); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v", err)
	}
	if err := w.Resize(1, 2); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("and then %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// A recording that broke off in the middle of a line is read up to there; one with rubbish inside is not believed.
func TestBroken(t *testing.T) {
	const header = `{"version":2,"width":80,"height":24}` + "\n"
	for text, want := range map[string]string{
		header + `[0.1, "o", "a"]` + "\n" + `[0.2, "o", "b`:                   "a",
		header + `[0.1, "o", "a"]` + "\nrubbish\n" + `[0.2, "o", "b"]` + "\n": "a!",
		header: "",
	} {
		r, err := NewReader(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for {
			e, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					got += "!"
				}
				break
			}
			got += e.Data
		}
		if got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for _, text := range []string{"", "rubbish\n", `{"version":1}` + "\n"} {
		if _, err := NewReader(strings.NewReader(text)); err == nil {
			t.Errorf("%q is a recording", text)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	var file lockless
	w, err := NewWriter(&file, Terms{Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if err := errors.Join(w.Write(Output, []byte("x")), w.Resize(80, 24)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := bytes.Count(file.Bytes(), []byte("]\n")); n != 1600 {
		t.Errorf("%d events", n)
	}
}

type lockless struct{ bytes.Buffer }

func FuzzPieces(f *testing.F) {
	f.Add([]byte("a\xe2\x82\xacb"), 2)
	f.Add([]byte("\xf0\x9f\x98\x80"), 1)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		at = min(max(at, 0), len(data))
		got, err := recorded(t, 1<<30, [2]string{Output, string(data[:at])}, [2]string{Output, string(data[at:])})
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(string(data), ""); utf8.Valid(data) && got[Output] != want {
			t.Errorf("%q became %q", data, got[Output])
		}
	})
}
