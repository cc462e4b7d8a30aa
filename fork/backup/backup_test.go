package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
)

// small is a part's size in tests.
const small = 1 << 16

func guid(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func place(t *testing.T) *Directory {
	t.Helper()
	d, err := OpenDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// random is a stream of that many bytes, the same for each seed.
func random(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func manifest(id, base int, made time.Time) *Manifest {
	m := &Manifest{ID: guid(id), Repo: "demo", GUID: guid(1000), Host: "h", Made: made}
	if base > 0 {
		m.Base = guid(base)
	}
	return m
}

// to says whom a backup is encrypted to, as commands do.
func to(keys []age.Recipient) (names []string) {
	for _, key := range keys {
		names = append(names, fmt.Sprint(key))
	}
	return names
}

func write(t *testing.T, p Place, m *Manifest, stream []byte, keys ...age.Recipient) {
	t.Helper()
	m.To = to(keys)
	if m.Base != "" {
		base, err := catalogue(t, p).Find(m.Base)
		if err != nil {
			t.Fatal(err)
		}
		m.BaseSum = base.Digest()
	}
	w, err := NewWriter(p, m, keys, nil)
	if err == nil {
		w.size = small
		err = w.Write(t.Context(), bytes.NewReader(stream))
	}
	if err == nil {
		err = w.Finish(t.Context(), m.Made.Add(time.Minute))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func catalogue(t *testing.T, p Place) Catalogue {
	t.Helper()
	c, err := Read(t.Context(), p, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var day = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

// What is written is read again, by who has the key.
func TestThereAndBack(t *testing.T) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	p := place(t)
	whole, more := random(1, small+1000), []byte(strings.Repeat("orders ", 5000))
	write(t, p, manifest(1, 0, day), whole, key.Recipient())
	write(t, p, manifest(2, 1, day.Add(time.Hour)), more, key.Recipient())
	c := catalogue(t, p)
	newest, err := c.Find("")
	if err != nil || newest.ID != guid(2) || len(c.Finished) != 2 || len(c.Unfinished)+len(c.Damaged) != 0 {
		t.Fatalf("there are %+v, %v", c, err)
	}
	chain, err := c.Chain(newest)
	if err != nil {
		t.Fatal(err)
	}
	var back bytes.Buffer
	if err := WriteTo(t.Context(), p, chain, []age.Identity{other, key}, &back, nil); err != nil || !bytes.Equal(back.Bytes(), append(whole, more...)) {
		t.Errorf("%d bytes came back, %v", back.Len(), err)
	}
	for want, keys := range map[string][]age.Identity{"is encrypted; --identity": nil, "is encrypted to other keys": {other}} {
		if err := WriteTo(t.Context(), p, chain, keys, io.Discard, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %v: %v", keys, err)
		}
	}
	err = fs.WalkDir(os.DirFS(p.String()), ".", func(path string, d fs.DirEntry, err error) error {
		text, _ := os.ReadFile(filepath.Join(p.String(), path))
		if bytes.Contains(text, []byte("orders")) {
			t.Errorf("%s can be read", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// One that is interrupted anywhere is not there, and gone on with by what lies there already.
func TestGoneOnWith(t *testing.T) {
	p := place(t)
	stream := random(2, 2*small+5)
	for n := range 7 {
		m := manifest(n+1, 0, day)
		failing := &fails{Place: p, after: n}
		w, err := NewWriter(failing, m, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.size = small
		if err := w.Write(t.Context(), bytes.NewReader(stream)); !errors.Is(err, errStop) {
			t.Fatalf("at %d: %v", n, err)
		}
		c := catalogue(t, p)
		if len(c.Finished) != n {
			t.Fatalf("at %d there are %d", n, len(c.Finished))
		}
		begun := max(0, n-1) / 2 // the manifest, and then a part, and the manifest that says so
		if n < 1 {
			if len(c.Unfinished) != 0 {
				t.Fatalf("at %d is begun %+v", n, c.Unfinished)
			}
			m = manifest(n+1, 0, day)
		} else {
			m = c.Unfinished[0]
		}
		counting := &fails{Place: p, after: 1 << 20}
		w, err = NewWriter(counting, m, nil, nil)
		if err == nil {
			w.size = small
			err = w.Write(t.Context(), bytes.NewReader(stream))
		}
		if err == nil {
			err = w.Finish(t.Context(), day)
		}
		want := 2*(3-begun) + 1
		if begun == 0 {
			want++
		}
		if err != nil || counting.puts != want {
			t.Errorf("after %d writes %d more were needed, want %d: %v", n, counting.puts, want, err)
		}
		var back bytes.Buffer
		if err := WriteTo(t.Context(), p, []*Manifest{m}, nil, &back, nil); err != nil || !bytes.Equal(back.Bytes(), stream) {
			t.Errorf("at %d: %d bytes came back, %v", n, back.Len(), err)
		}
	}
}

// A stream that is another one the second time is written as it is now.
func TestAnotherStream(t *testing.T) {
	p, m := place(t), manifest(1, 0, day)
	w, err := NewWriter(p, m, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.size = small
	if err := w.Write(t.Context(), bytes.NewReader(random(1, 2*small))); err != nil {
		t.Fatal(err)
	}
	now := random(3, 100)
	write(t, p, catalogue(t, p).Unfinished[0], now)
	c := catalogue(t, p)
	var back bytes.Buffer
	if err := WriteTo(t.Context(), p, c.Finished, nil, &back, nil); err != nil || !bytes.Equal(back.Bytes(), now) {
		t.Errorf("%d bytes came back, %v", back.Len(), err)
	}
	if left, err := p.List(t.Context(), "."); err != nil || len(left) != 2 {
		t.Errorf("there are %q, %v", left, err)
	}
}

// Whatever is changed in a place is found, and none of it is passed on.
func TestTampering(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"a bit":            func(dir string) error { return flip(filepath.Join(dir, guid(1), "part-000001"), 20) },
		"a part is short":  func(dir string) error { return os.Truncate(filepath.Join(dir, guid(1), "part-000001"), 10) },
		"a part is gone":   func(dir string) error { return os.Remove(filepath.Join(dir, guid(1), "part-000001")) },
		"the base is gone": func(dir string) error { return os.RemoveAll(filepath.Join(dir, guid(1))) },
		"parts swapped": func(dir string) error {
			return os.Rename(filepath.Join(dir, guid(2), "part-000001"), filepath.Join(dir, guid(1), "part-000001"))
		},
		"a manifest elsewhere": func(dir string) error { return os.Rename(filepath.Join(dir, guid(1)), filepath.Join(dir, guid(3))) },
		"no manifest at all": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, guid(1), "manifest.json"), []byte("{"), 0o600)
		},
		"another format": func(dir string) error {
			return replace(filepath.Join(dir, guid(1), "manifest.json"), `"version":1`, `"version":2`)
		},
		"a way out": func(dir string) error {
			return replace(filepath.Join(dir, guid(1), "manifest.json"), `"repo":"demo"`, `"repo":"../x"`)
		},
		"a bomb": func(dir string) error {
			return replace(filepath.Join(dir, guid(1), "manifest.json"), `[{"bytes":3`, `[{"bytes":9300000000`)
		},
		"another base": func(dir string) error {
			return replace(filepath.Join(dir, guid(1), "manifest.json"), `"host":"h"`, `"host":"i"`)
		},
		"a pipe": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, guid(1), "part-000001")), syscall.Mkfifo(filepath.Join(dir, guid(1), "part-000001"), 0o600))
		},
		"its own base": func(dir string) error {
			return replace(filepath.Join(dir, guid(2), "manifest.json"), `"base":"`+guid(1), `"base":"`+guid(2))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := place(t)
			write(t, p, manifest(1, 0, day), random(1, 300))
			write(t, p, manifest(2, 1, day.Add(time.Hour)), random(2, 300))
			if err := spoil(filepath.Join(p.String(), "demo")); err != nil {
				t.Fatal(err)
			}
			c := catalogue(t, p)
			var back bytes.Buffer
			newest, err := c.Find(guid(2))
			var chain []*Manifest
			if err == nil {
				chain, err = c.Chain(newest)
			}
			if err == nil {
				err = WriteTo(t.Context(), p, chain, nil, &back, nil)
			}
			if !errors.Is(err, ErrDamaged) || back.Len() > 0 {
				t.Errorf("%d bytes came back, %v", back.Len(), err)
			}
		})
	}
}

// A part that somebody removes, or changes, while the backup is made is no part of it.
func TestPartsThatGo(t *testing.T) {
	p, m := place(t), manifest(1, 0, day)
	stream := random(4, 3*small)
	begin := func(m *Manifest) (*Writer, error) {
		w, err := NewWriter(p, m, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.size = small
		return w, w.Write(t.Context(), bytes.NewReader(stream))
	}
	w, err := begin(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(p.String(), m.part(1))); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(t.Context(), day); !errors.Is(err, ErrDamaged) || len(catalogue(t, p).Finished) != 0 {
		t.Errorf("without a part: %v", err)
	}
	if err := flip(filepath.Join(p.String(), m.part(0)), 30); err != nil {
		t.Fatal(err)
	}
	if w, err = begin(catalogue(t, p).Unfinished[0]); err == nil {
		err = w.Finish(t.Context(), day)
	}
	c := catalogue(t, p)
	if err != nil || len(c.Finished) != 1 || len(Verify(t.Context(), p, c.Finished[0])) != 0 {
		t.Errorf("gone on with: %v, %+v", err, c)
	}
	if err := Discard(t.Context(), p, c.Finished[0]); err != nil || len(catalogue(t, p).Finished) != 1 {
		t.Errorf("a finished one is taken for a beginning: %v", err)
	}
}

// What a crash has left beside a beginning goes with it.
func TestNothingIsLeft(t *testing.T) {
	p, m := place(t), manifest(1, 0, day)
	w, err := NewWriter(p, m, nil, nil)
	if err == nil {
		w.size = small
		err = w.Write(t.Context(), bytes.NewReader(random(4, 2*small)))
	}
	for _, left := range []string{"part-000003", "part-000004.new", "unfinished.json.new"} {
		err = errors.Join(err, os.WriteFile(filepath.Join(p.String(), m.dir(), left), []byte("x"), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	err = Discard(t.Context(), p, catalogue(t, p).Unfinished[0])
	names, listing := p.List(t.Context(), ".")
	if err != nil || listing != nil || len(names) > 0 {
		t.Errorf("left are %q; %v, %v", names, err, listing)
	}
}

// What others go on from stays as long as they do.
func TestSurplus(t *testing.T) {
	p := place(t)
	for _, m := range [][2]int{{1, 0}, {2, 1}, {3, 0}, {4, 3}, {5, 4}} {
		write(t, p, manifest(m[0], m[1], day.Add(time.Duration(m[0])*time.Hour)), random(1, 10))
	}
	for newest, want := range map[int]string{1: "21", 2: "21", 3: "21", 4: "", 9: ""} {
		surplus, err := catalogue(t, p).Surplus(guid(1000), newest)
		got := ""
		for _, m := range surplus {
			got += m.ID[len(m.ID)-1:]
		}
		if err != nil || got != want {
			t.Errorf("of the newest %d: %q, %v; want %q", newest, got, err, want)
		}
	}
}

var errStop = errors.New("stop")

// fails is a place that takes so many writes.
type fails struct {
	Place
	puts, after int
}

func (f *fails) Put(ctx context.Context, name string, from io.Reader) error {
	if f.puts >= f.after {
		return errStop
	}
	f.puts++
	return f.Place.Put(ctx, name, from)
}

func flip(path string, at int) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text[at] ^= 1
	return os.WriteFile(path, text, 0o600)
}

func replace(path, from, to string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte(from)) {
		return fmt.Errorf("%s has no %s: %s", path, from, text)
	}
	return os.WriteFile(path, bytes.Replace(text, []byte(from), []byte(to), 1), 0o600)
}
