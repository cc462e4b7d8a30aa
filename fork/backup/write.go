package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
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
	size       int // of a part
}

// NewWriter begins the backup that m says, or goes on with one that was interrupted: then m is its unfinished manifest. Without recipients
// its parts are not encrypted.
func NewWriter(p Place, m *Manifest, recipients []age.Recipient, progress Progress) (*Writer, error) {
	m.Version, m.Sealed = Version, len(recipients) > 0
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

// Write takes a stream to its end. The backup is not there before Finish says so: only the caller knows whether the stream ended well.
func (w *Writer) Write(ctx context.Context, stream io.Reader) error {
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
	if i < len(w.known) && w.known[i].Plain == part.Plain {
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
	if i < len(w.known) {
		return nil // what is there says it already
	}
	return m.put(ctx, w.place, unfinishedName)
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

// Finish makes the backup count. What an earlier attempt had more of goes.
func (w *Writer) Finish(ctx context.Context, now time.Time) error {
	m := w.manifest
	m.Finished = now.UTC()
	if err := m.put(ctx, w.place, finishedName); err != nil {
		return fmt.Errorf("cannot write to %s: %w", w.place, err)
	}
	stale := []string{path.Join(m.dir(), unfinishedName)}
	for i := len(m.Parts); i < len(w.known); i++ {
		stale = append(stale, m.part(i))
	}
	return w.place.Remove(ctx, stale...)
}
