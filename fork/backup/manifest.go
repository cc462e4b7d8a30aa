package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"time"
)

// Version is that of the format.
const Version = 1

// What is wrong with a backup or a place.
var (
	ErrDamaged  = errors.New("damaged backup")
	ErrNotFound = errors.New("no such backup")
)

// Manifest says what a backup is made of.
type Manifest struct {
	Version  int       `json:"version"`
	ID       string    `json:"id"`                 // of the snapshot that it is of, a GUID
	Repo     string    `json:"repo"`               // the repository's name
	GUID     string    `json:"guid"`               // and its GUID
	Base     string    `json:"base,omitempty"`     // ID of the backup that it goes on from; empty: it is whole
	BaseSum  string    `json:"base_sum,omitempty"` // and the Digest of that one's manifest
	Host     string    `json:"host"`               // where it was made
	Made     time.Time `json:"made"`               // the instant that it shows
	Finished time.Time `json:"finished,omitzero"`
	To       []string  `json:"to,omitempty"` // whom its parts are encrypted to, sorted; empty: they are not
	Bytes    int64     `json:"bytes"`        // of the stream
	Stored   int64     `json:"stored"`       // of its parts
	Parts    []Part    `json:"parts"`
}

// Part is one file of a backup.
type Part struct {
	Bytes  int64  `json:"bytes"`  // of the stream, at most PartSize
	Plain  string `json:"plain"`  // SHA-256 of them
	Stored int64  `json:"stored"` // of the file
	Digest string `json:"digest"` // SHA-256 of it
}

// PartSize is how much of a stream makes a part.
const PartSize = 64 << 20

const maxManifest = 16 << 20 // bytes: some 80,000 parts, 5 TiB

var (
	guidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	nameForm = regexp.MustCompile(`^[a-z0-9._-]{1,63}$`)
	sumForm  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func (m *Manifest) check() error {
	if m.Version != Version {
		return fmt.Errorf("it is of format %d, and this program knows %d", m.Version, Version)
	}
	if !guidForm.MatchString(m.ID) || !guidForm.MatchString(m.GUID) || m.Base != "" && !guidForm.MatchString(m.Base) {
		return errors.New("it has an id that is none")
	}
	if !nameForm.MatchString(m.Repo) || m.Repo == "." || m.Repo == ".." {
		return fmt.Errorf("%.80q is no repository's name", m.Repo)
	}
	for _, p := range m.Parts {
		if p.Bytes <= 0 || p.Bytes > PartSize || p.Stored <= 0 || p.Stored > 2*PartSize || !sumForm.MatchString(p.Plain) || !sumForm.MatchString(p.Digest) {
			return errors.New("it speaks of a part that none can be")
		}
	}
	return nil
}

func (m *Manifest) dir() string { return path.Join(m.Repo, m.ID) }

func (m *Manifest) part(i int) string { return fmt.Sprintf("%s/part-%06d", m.dir(), i+1) }

// Digest is what tells a manifest from every other.
func (m *Manifest) Digest() string {
	text, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return sum(text)
}

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}

const (
	finishedName   = "manifest.json"
	unfinishedName = "unfinished.json"
)

func (m *Manifest) put(ctx context.Context, p Place, name string) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return p.Put(ctx, path.Join(m.dir(), name), bytes.NewReader(text))
}

func readManifest(ctx context.Context, p Place, name string) (*Manifest, error) {
	f, err := p.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var text []byte
	if err == nil {
		defer f.Close()
		text, err = io.ReadAll(io.LimitReader(f, maxManifest+1))
	}
	m := &Manifest{}
	if err != nil {
		return nil, unread(name, p, err)
	} else if len(text) > maxManifest {
		err = errors.New("it is too long")
	} else if err = json.Unmarshal(text, m); err == nil {
		err = m.check()
	}
	if err == nil && path.Join(m.dir(), path.Base(name)) != name {
		err = fmt.Errorf("it says that it is %s", m.dir())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s in %s: %w", ErrDamaged, name, p, err)
	}
	return m, nil
}

// unread says what a file means that cannot be read: on a disk it is damaged, and a store may only be out of reach.
func unread(name string, p Place, err error) error {
	if disk := (*fs.PathError)(nil); errors.As(err, &disk) {
		return fmt.Errorf("%w: %s in %s cannot be read: %w", ErrDamaged, name, p, err)
	}
	return fmt.Errorf("cannot read %s in %s: %w", name, p, err)
}

// Catalogue is what there is in a place of one repository, or of all: whole backups, oldest first, and those that are being made.
type Catalogue struct {
	Finished   []*Manifest
	Unfinished []*Manifest
	Damaged    []error // of what is not as it was written
	Unread     []error // of what could not be read, and may be well
	Doubt      bool    // whether any of these was a finished backup
}

// Read looks through a place. repo may be empty.
func Read(ctx context.Context, p Place, repo string) (c Catalogue, err error) {
	names, err := p.List(ctx, path.Join(".", repo))
	if err != nil {
		return c, fmt.Errorf("cannot list %s: %w", p, err)
	}
	finished := map[string]bool{}
	for _, name := range names {
		finished[path.Dir(name)] = finished[path.Dir(name)] || path.Base(name) == finishedName
	}
	for _, name := range names {
		base := path.Base(name)
		if base != finishedName && (base != unfinishedName || finished[path.Dir(name)]) {
			continue
		}
		m, err := readManifest(ctx, p, name)
		switch {
		case errors.Is(err, ErrDamaged):
			c.Damaged, c.Doubt = append(c.Damaged, err), c.Doubt || base == finishedName
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
		case ctx.Err() != nil:
			return c, context.Cause(ctx)
		case err != nil:
			c.Unread, c.Doubt = append(c.Unread, err), c.Doubt || base == finishedName
		case base == finishedName:
			c.Finished = append(c.Finished, m)
		default:
			c.Unfinished = append(c.Unfinished, m)
		}
	}
	for _, list := range [][]*Manifest{c.Finished, c.Unfinished} {
		slices.SortFunc(list, func(a, b *Manifest) int { return a.Made.Compare(b.Made) })
	}
	return c, nil
}

// Find finds a finished backup by its id, or the beginning of one; the newest if id is empty.
func (c Catalogue) Find(id string) (*Manifest, error) {
	var found *Manifest
	for _, m := range c.Finished {
		if len(id) > len(m.ID) || m.ID[:len(id)] != id {
			continue
		}
		if found != nil && id != "" {
			return nil, fmt.Errorf("%w: %s begins two of them", ErrNotFound, id)
		}
		found = m
	}
	if found == nil {
		return nil, ErrNotFound
	}
	return found, nil
}

// Chain lists what a backup is restored from, the whole one first.
func (c Catalogue) Chain(m *Manifest) (chain []*Manifest, err error) {
	seen := map[string]bool{}
	for {
		if seen[m.ID] {
			return nil, fmt.Errorf("%w: %s is its own base", ErrDamaged, m.ID)
		}
		seen[m.ID] = true
		chain = append([]*Manifest{m}, chain...)
		if m.Base == "" {
			return chain, nil
		}
		base := m.Base
		i := slices.IndexFunc(c.Finished, func(o *Manifest) bool { return o.ID == base && o.Repo == m.Repo })
		if i < 0 {
			return nil, fmt.Errorf("%w: %s goes on from %s, which is not there", ErrDamaged, m.ID, base)
		}
		if c.Finished[i].Digest() != m.BaseSum {
			return nil, fmt.Errorf("%w: %s goes on from another %s than the one that is there", ErrDamaged, m.ID, base)
		}
		m = c.Finished[i]
	}
}

// Sealed reports whether a backup takes a key to be read.
func (m *Manifest) Sealed() bool { return len(m.To) > 0 }
