package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// WriteTo writes the streams of a chain, one after the other, to whoever receives them. Nothing of a part is written before all of it was
// found to be what the manifest says.
func WriteTo(ctx context.Context, p Place, chain []*Manifest, identities []age.Identity, to io.Writer, progress Progress) error {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(PartSize))
	if err != nil {
		return err
	}
	defer decoder.Close()
	var done int64
	for _, m := range chain {
		for i, part := range m.Parts {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			plain, err := open(ctx, p, m, i, identities, decoder)
			if err != nil {
				return err
			}
			if _, err := to.Write(plain); err != nil {
				return err
			}
			if done += part.Bytes; progress != nil {
				progress(done, done)
			}
		}
	}
	return nil
}

// open reads, checks, decrypts and decompresses a part.
func open(ctx context.Context, p Place, m *Manifest, i int, identities []age.Identity, decoder *zstd.Decoder) ([]byte, error) {
	stored, err := stored(ctx, p, m, i)
	if err != nil {
		return nil, err
	}
	if m.Sealed() {
		unsealed, err := age.Decrypt(bytes.NewReader(stored), identities...)
		if len(identities) == 0 {
			return nil, fmt.Errorf("backup %s of %s is encrypted; --identity FILE names the file of its secret key", m.ID, m.Repo)
		}
		if none := (*age.NoIdentityMatchError)(nil); errors.As(err, &none) {
			return nil, fmt.Errorf("backup %s of %s is encrypted to other keys than these; use --identity FILE", m.ID, m.Repo)
		}
		if err == nil {
			stored, err = io.ReadAll(unsealed)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s cannot be decrypted: %w", ErrDamaged, m.part(i), err)
		}
	}
	plain, err := decoder.DecodeAll(stored, make([]byte, 0, m.Parts[i].Bytes))
	if err != nil || sum(plain) != m.Parts[i].Plain {
		return nil, fmt.Errorf("%w: %s does not hold what it did: %w", ErrDamaged, m.part(i), errors.Join(err))
	}
	return plain, nil
}

// stored reads a part as it lies there, and makes sure that it is that one.
func stored(ctx context.Context, p Place, m *Manifest, i int) ([]byte, error) {
	f, err := p.Get(ctx, m.part(i))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is not there", ErrDamaged, m.part(i))
	}
	if err != nil {
		return nil, unread(m.part(i), p, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, m.Parts[i].Stored+1))
	switch {
	case err != nil:
		return nil, unread(m.part(i), p, err)
	case int64(len(text)) != m.Parts[i].Stored || sum(text) != m.Parts[i].Digest:
		return nil, fmt.Errorf("%w: %s is not as it was written", ErrDamaged, m.part(i))
	}
	return text, nil
}

// Verify reads all that a backup is made of, without any key, and returns what is wrong with each part.
func Verify(ctx context.Context, p Place, m *Manifest) (wrong []error) {
	for i := range m.Parts {
		if _, err := stored(ctx, p, m, i); err != nil {
			wrong = append(wrong, err)
		}
		if ctx.Err() != nil {
			return append(wrong, context.Cause(ctx))
		}
	}
	return wrong
}

// Discard removes the beginning of a backup, unless it is finished by now.
func Discard(ctx context.Context, p Place, m *Manifest) error {
	names, err := p.List(ctx, m.dir())
	if err != nil {
		return fmt.Errorf("cannot list backup %s: %w", m.ID, err)
	}
	if slices.Contains(names, path.Join(m.dir(), finishedName)) {
		return nil
	}
	return Remove(ctx, p, m)
}

// Remove removes a backup. What is left of it after a crash is one that is being made, of a snapshot that is gone: that is removed some time.
func Remove(ctx context.Context, p Place, m *Manifest) error {
	finished, unfinished := path.Join(m.dir(), finishedName), path.Join(m.dir(), unfinishedName)
	_ = m.put(ctx, p, unfinishedName)  // where there is no room for it, room has to be made
	names, err := p.List(ctx, m.dir()) // and not what the manifest says: a crash can have left more
	if err == nil {
		names = slices.DeleteFunc(names, func(name string) bool { return name == finished || name == unfinished })
		err = p.Remove(ctx, slices.Concat([]string{finished}, names, []string{unfinished})...)
	}
	if err != nil {
		return fmt.Errorf("cannot remove backup %s: %w", m.ID, err)
	}
	return nil
}

// Surplus are the backups of a repository, by its GUID, that need not be kept so that the newest are: all but those, and what they go on from. Another
// of that name, on another host or made anew, has its own.
func (c Catalogue) Surplus(guid string, newest int) (surplus []*Manifest, err error) {
	var all []*Manifest
	for _, m := range c.Finished {
		if m.GUID == guid {
			all = append(all, m)
		}
	}
	needed := map[string]bool{}
	for _, m := range all[max(0, len(all)-newest):] {
		chain, err := c.Chain(m)
		if err != nil {
			return nil, err
		}
		for _, one := range chain {
			needed[one.ID] = true
		}
	}
	for _, m := range all {
		if !needed[m.ID] {
			surplus = append(surplus, m)
		}
	}
	// What goes on from another one goes first.
	slices.Reverse(surplus)
	return surplus, nil
}
