package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// Progress hears how much of the stream has gone by, and how much of that had to be written.
type Progress func(stream, written int64)

// Writer makes one backup.
type Writer struct {
	place      Place
	manifest   *Manifest
	known      []Part // of an earlier attempt
	recipients []age.Recipient
	encoder    *zstd.Encoder
	progress   Progress
	written    int64
	size       int      // of a part
	surplus    []string // what earlier attempts had more of
	noted      time.Time
}

// NewWriter begins the backup that m says, or goes on with one that was interrupted: then m is its unfinished manifest. Its parts are encrypted to
// whom m says, by these keys.
func NewWriter(p Place, m *Manifest, recipients []age.Recipient, progress Progress) (*Writer, error) {
	m.Version = Version
	if m.Sealed() != (len(recipients) > 0) {
		return nil, errors.New("cannot make a backup: it says nobody to encrypt it to, and there is a key, or the other way round")
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("cannot make a backup: %w", err)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	w := &Writer{place: p, manifest: m, known: m.Parts, recipients: recipients, encoder: encoder, progress: progress, size: PartSize}
	m.Parts, m.Bytes, m.Stored = nil, 0, 0
	return w, nil
}

// ErrLeft says that a backup is finished, and that something which is not needed any more could not be removed.
var ErrLeft = errors.New("the backup is finished, and what is not needed any more stays")

// Write takes a stream to its end. The backup is not there before Finish says so: only the caller knows whether the stream ended well.
func (w *Writer) Write(ctx context.Context, stream io.Reader) error {
	if len(w.known) == 0 { // parts of which nothing tells would stay
		if err := w.manifest.put(ctx, w.place, unfinishedName); err != nil {
			return fmt.Errorf("cannot write to %s: %w", w.place, err)
		}
	}
	part := make([]byte, w.size)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := io.ReadFull(stream, part)
		if n > 0 {
			if err := w.add(ctx, part[:n]); err != nil {
				return fmt.Errorf("cannot write to %s: %w", w.place, err)
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return fmt.Errorf("cannot read the snapshot: %w", err)
		}
	}
}

// add writes a part, unless it lies there from an earlier attempt.
func (w *Writer) add(ctx context.Context, plain []byte) error {
	m, i := w.manifest, len(w.manifest.Parts)
	part := Part{Bytes: int64(len(plain)), Plain: sum(plain)}
	known, err := w.lies(ctx, i, part.Plain)
	if err != nil {
		return err
	}
	if known {
		part = w.known[i]
	} else {
		stored, err := w.seal(plain)
		if err != nil {
			return err
		}
		part.Stored, part.Digest = int64(len(stored)), sum(stored)
		if err := w.place.Put(ctx, m.part(i), bytes.NewReader(stored)); err != nil {
			return err
		}
		w.written += part.Stored
	}
	m.Parts, m.Bytes, m.Stored = append(m.Parts, part), m.Bytes+part.Bytes, m.Stored+part.Stored
	if w.progress != nil {
		w.progress(m.Bytes, w.written)
	}
	if known {
		return nil // what is there says it already
	}
	w.known = nil // it is of another stream from here on
	if n := len(m.Parts); n > eachNoted && n%eachNoted != 0 && time.Since(w.noted) < noting {
		return nil
	}
	w.noted = time.Now()
	return m.put(ctx, w.place, unfinishedName)
}

// How much of what lies there the manifest so far may not tell of: it grows with each part, and is written whole.
const (
	eachNoted = 16 // parts
	noting    = 30 * time.Second
)

// lies reports whether a part lies there from an earlier attempt, as it was written.
func (w *Writer) lies(ctx context.Context, i int, plain string) (bool, error) {
	if i >= len(w.known) || w.known[i].Plain != plain {
		return false, nil
	}
	_, err := stored(ctx, w.place, &Manifest{Repo: w.manifest.Repo, ID: w.manifest.ID, Parts: w.known}, i)
	if errors.Is(err, ErrDamaged) {
		return false, nil
	}
	return err == nil, err
}

// seal compresses a part, and encrypts it for whoever may read it.
func (w *Writer) seal(plain []byte) ([]byte, error) {
	small := w.encoder.EncodeAll(plain, nil)
	if len(w.recipients) == 0 {
		return small, nil
	}
	var sealed bytes.Buffer
	into, err := age.Encrypt(&sealed, w.recipients...)
	if err != nil {
		return nil, fmt.Errorf("cannot encrypt: %w", err)
	}
	_, err = into.Write(small)
	if err = errors.Join(err, into.Close()); err != nil {
		return nil, fmt.Errorf("cannot encrypt: %w", err)
	}
	return sealed.Bytes(), nil
}

// Finish makes the backup count. What an earlier attempt had more of goes; with ErrLeft the backup counts all the same.
func (w *Writer) Finish(ctx context.Context, now time.Time) error {
	m := w.manifest
	if err := w.complete(ctx); err != nil {
		return err
	}
	m.Finished = now.UTC()
	if err := m.put(ctx, w.place, finishedName); err != nil {
		return fmt.Errorf("cannot write to %s: %w", w.place, err)
	}
	if err := w.place.Remove(ctx, append(w.surplus, path.Join(m.dir(), unfinishedName))...); err != nil {
		return fmt.Errorf("%w: %w", ErrLeft, err)
	}
	return nil
}

// complete makes sure that every part is there, whatever somebody has done to the place meanwhile, and finds those that are none.
func (w *Writer) complete(ctx context.Context) error {
	names, err := w.place.List(ctx, w.manifest.dir())
	if err != nil {
		return fmt.Errorf("cannot list %s: %w", w.place, err)
	}
	others := map[string]bool{}
	for _, name := range names {
		others[name] = true
	}
	for i := range w.manifest.Parts {
		name := w.manifest.part(i)
		if !others[name] {
			return fmt.Errorf("%w: %s is not there any more", ErrDamaged, name)
		}
		delete(others, name)
	}
	for name := range others {
		if strings.HasPrefix(path.Base(name), "part-") {
			w.surplus = append(w.surplus, name)
		}
	}
	return nil
}
