package grants

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrDamaged says that a record cannot be read: nobody can tell whose sessions are to be ended.
var ErrDamaged = errors.New("the book of grants is damaged")

// Shelf keeps records on the disk.
type Shelf interface {
	Put(key string, record []byte) error
	Delete(key string) error
	All() (map[string][]byte, error)
}

// Book is the book. Its methods may be called from many goroutines.
type Book struct {
	shelf Shelf
	now   func() time.Time

	mu       sync.Mutex // held across writes to the disk as well: grants are few
	grants   map[string]Grant
	waiting  map[string]*Waiting
	starting map[string]bool // sessions that were let in, and do not run yet
}

// Open reads the book.
func Open(shelf Shelf, now func() time.Time) (*Book, error) {
	b := &Book{shelf: shelf, now: now, grants: map[string]Grant{}, waiting: map[string]*Waiting{}, starting: map[string]bool{}}
	records, err := shelf.All()
	if err != nil {
		return nil, err
	}
	for id, record := range records {
		var g Grant
		err := json.Unmarshal(record, &g)
		if err == nil {
			err = g.check(id)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: record %q: %w; restore the registry from a backup", ErrDamaged, id, err)
		}
		b.grants[id] = g
	}
	return b, nil
}

// save puts a grant on the disk and then into memory. The lock is held.
func (b *Book) save(g Grant) error {
	record, err := json.Marshal(g)
	if err == nil {
		err = g.check(g.ID)
	}
	if err == nil {
		err = b.shelf.Put(g.ID, record)
	}
	if err != nil {
		return fmt.Errorf("cannot record the grant %s: %w", g.ID, err)
	}
	b.grants[g.ID] = g
	return nil
}

// Take finds a grant that opens one more session, and counts it. Opened must follow.
func (b *Book) Take(w Wish) (Grant, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, g := range b.inOrder() {
		if !g.opens(w, now) {
			continue
		}
		g.Sessions = append(slices.Clone(g.Sessions), Session{Name: w.Session})
		if err := b.save(g); err != nil {
			return Grant{}, false, err
		}
		b.starting[w.Session] = true
		return g, true, nil
	}
	return Grant{}, false, nil
}

// Opened says that a session runs, or that nothing came of it: from here on the kernel is asked whether it lives.
func (b *Book) Opened(session string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.starting, session)
}

// Starting reports whether a session was let in and may not run yet.
func (b *Book) Starting(session string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.starting[session]
}

// Over records that nothing lives any more of a session.
func (b *Book) Over(id, session string) error {
	return b.change(id, func(g *Grant) {
		g.Sessions = slices.Clone(g.Sessions)
		for i := range g.Sessions {
			g.Sessions[i].Over = g.Sessions[i].Over || g.Sessions[i].Name == session
		}
	})
}

// Note records what there was when the grant began.
func (b *Book) Note(id string, before json.RawMessage) error {
	return b.change(id, func(g *Grant) { g.Before = before })
}

// End records that a grant is being ended, and why: nothing opens by it any more. The first reason stays.
func (b *Book) End(id, why string) error {
	return b.change(id, func(g *Grant) { g.Ending = cmp.Or(g.Ending, why) })
}

func (b *Book) change(id string, change func(*Grant)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, ok := b.grants[id]
	if !ok {
		return nil
	}
	change(&g)
	return b.save(g)
}

// Remove strikes a grant out of which nothing lives any more.
func (b *Book) Remove(id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.shelf.Delete(id); err != nil {
		return err
	}
	delete(b.grants, id)
	return nil
}

// Grant finds a grant.
func (b *Book) Grant(id string) (Grant, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, ok := b.grants[id]
	return g, ok
}

// Grants lists them, the oldest first.
func (b *Book) Grants() []Grant {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inOrder()
}

func (b *Book) inOrder() []Grant {
	return slices.SortedFunc(maps.Values(b.grants), func(x, y Grant) int { return cmp.Or(x.From.Compare(y.From), cmp.Compare(x.ID, y.ID)) })
}

// newID makes up a name: 60 bits, so that nobody guesses another's.
func newID() string { return strings.ToLower(rand.Text()[:12]) }
