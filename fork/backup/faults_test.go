package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
)

// faulty is a place of which something is out of reach.
type faulty struct {
	Place
	get    func(name string) error
	remove func(names []string) (todo []string, err error)
}

func (f *faulty) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if f.get != nil {
		if err := f.get(name); err != nil {
			return nil, err
		}
	}
	return f.Place.Get(ctx, name)
}

func (f *faulty) Remove(ctx context.Context, names ...string) error {
	todo, err := names, error(nil)
	if f.remove != nil {
		todo, err = f.remove(names)
	}
	return errors.Join(f.Place.Remove(ctx, todo...), err)
}

var errAway = errors.New("503 Service Unavailable")

// A store that is out of reach is no damage: an older backup is not taken for the newest, and nothing is said to be spoilt.
func TestOutOfReachIsNoDamage(t *testing.T) {
	p := &faulty{Place: place(t)}
	write(t, p, manifest(1, 0, day), random(1, small))
	write(t, p, manifest(2, 0, day.AddDate(0, 0, 1)), random(2, small))
	newest, _ := catalogue(t, p).Find("")
	p.get = func(name string) error {
		if strings.HasPrefix(name, newest.dir()) {
			return errAway
		}
		return nil
	}
	if c := catalogue(t, p); len(c.Unread) != 1 || !errors.Is(c.Unread[0], errAway) || len(c.Damaged) != 0 || !c.Doubt || len(c.Finished) != 1 {
		t.Errorf("there are %+v", c)
	}
	if wrong := Verify(t.Context(), p, newest); len(wrong) != 1 || errors.Is(wrong[0], ErrDamaged) || !errors.Is(wrong[0], errAway) {
		t.Errorf("wrong is %v", wrong)
	}
	// Nor is what lies there written again because nobody could look at it.
	unfinished := manifest(3, 0, day)
	w, err := NewWriter(p, unfinished, nil, nil)
	if err == nil {
		w.size = small
		err = w.Write(t.Context(), bytes.NewReader(random(3, 3*small)))
	}
	if err != nil {
		t.Fatal(err)
	}
	p.get = func(name string) error {
		if name == unfinished.part(1) {
			return errAway
		}
		return nil
	}
	if w, err = NewWriter(p, catalogue(t, p).Unfinished[0], nil, nil); err == nil {
		w.size = small
		err = w.Write(t.Context(), bytes.NewReader(random(3, 3*small)))
	}
	if !errors.Is(err, errAway) || w.written > 0 {
		t.Errorf("gone on with: %d bytes written, %v", w.written, err)
	}
}

// A backup is finished when its manifest is there, whether or not anything can be removed.
func TestFinishedThoughNothingGoes(t *testing.T) {
	p := &faulty{Place: place(t), remove: func([]string) ([]string, error) { return nil, errAway }}
	w, err := NewWriter(p, manifest(1, 0, day), nil, nil)
	if err == nil {
		w.size = small
		err = w.Write(t.Context(), bytes.NewReader(random(1, small)))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(t.Context(), day); !errors.Is(err, ErrLeft) || !errors.Is(err, errAway) {
		t.Errorf("it says %v", err)
	}
	if c := catalogue(t, p); len(c.Finished) != 1 || len(c.Unfinished) != 0 {
		t.Errorf("there are %+v", c)
	}
}

// A removal that is broken off at any point can be finished, and what it leaves is no backup.
func TestRemovalBrokenOff(t *testing.T) {
	for most := range 5 {
		p := &faulty{Place: place(t)}
		m := manifest(1, 0, day)
		write(t, p, m, random(1, 3*small))
		p.remove = func(names []string) ([]string, error) {
			if most < len(names) {
				return names[:most], errAway
			}
			return names, nil
		}
		err := Remove(t.Context(), p, m)
		p.remove = nil
		if c := catalogue(t, p); most < 5 && !errors.Is(err, errAway) || most > 0 && (len(c.Finished) != 0 || len(c.Unfinished) != 1) {
			t.Errorf("after %d: %v, and there are %+v", most, err, c)
		} else if most > 0 {
			err = Discard(t.Context(), p, c.Unfinished[0])
		} else {
			err = Remove(t.Context(), p, m)
		}
		if left, listing := p.List(t.Context(), "."); err != nil || listing != nil || len(left) > 0 {
			t.Errorf("after %d: left are %q, %v, %v", most, left, err, listing)
		}
	}
}

// No part is anywhere of which no manifest tells.
func TestNoPartWithoutAManifest(t *testing.T) {
	for after := range 4 {
		p := place(t)
		w, err := NewWriter(&fails{Place: p, after: after}, manifest(1, 0, day), nil, nil)
		if err == nil {
			w.size = small
			err = w.Write(t.Context(), bytes.NewReader(random(1, 3*small)))
		}
		names, listing := p.List(t.Context(), ".")
		if !errors.Is(err, errStop) || listing != nil || len(names) > 0 && !slices.Contains(names, path.Join(manifest(1, 0, day).dir(), unfinishedName)) {
			t.Errorf("after %d: there are %q, %v, %v", after, names, err, listing)
		}
	}
}
