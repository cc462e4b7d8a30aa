package fork

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Source is what a repository starts with: a directory of the host, a tar archive (plain, gzip, xz or zstd), a backup, or, as the zero
// Source, nothing.
type Source struct {
	Dir        string
	Tar        *os.File // a file, pipe or socket; read to its end, not closed
	KeepOwners bool     // keep uids and gids 0..65535 instead of giving everything to 7111

	// Stream is what btrfs send has written of kept snapshots, one after the other, of which the repository becomes the one called Kept.
	Stream *os.File
	Kept   string
}

// Progress hears how many bytes have been read, and of how many: -1 where nobody knows before the end. It is called a few times per second,
// and once at the end.
type Progress func(done, total int64)

// copyIn unpacks a source into the directory at dest, which is ours and empty.
func (s *Store) copyIn(ctx context.Context, source Source, dest string, progress Progress) error {
	as := asSession
	if source.KeepOwners {
		as = asRoot
	}
	switch {
	case source.Tar != nil:
		return s.unpackFile(ctx, source.Tar, dest, as, nil, progress)
	case source.Dir != "":
		return s.copyDir(ctx, source.Dir, dest, as, progress)
	}
	return nil
}

// copyDir copies a directory. A file that changes meanwhile is taken as it was read, which tar reports as 1.
func (s *Store) copyDir(ctx context.Context, dir, dest string, as identity, progress Progress) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%w: %s is no directory", ErrSource, dir)
	}
	pack, err := startFilter(ctx, nil, 1, "tar", "-c", "-C", dir, "--numeric-owner", "--xattrs", "--acls", "--sparse", ".")
	if err != nil {
		return err
	}
	in := &counter{r: pack, total: -1, report: progress}
	defer in.last()
	err = s.unpack(ctx, in, dest, as)
	return blame(ctx, err, pack.Close())
}

// unpackFile unpacks an archive that may be compressed. hash, if not nil, gets all that it holds, uncompressed.
func (s *Store) unpackFile(ctx context.Context, tar *os.File, dest string, as identity, hash io.Writer, progress Progress) error {
	// The archive may be a pipe that nobody writes to. A program that waits for it can be killed, a read cannot.
	raw, err := startFilter(ctx, tar, 0, "cat")
	if err != nil {
		return err
	}
	in := &counter{r: raw, total: -1, report: progress}
	if info, err := tar.Stat(); err == nil && info.Mode().IsRegular() {
		in.total = info.Size()
	}
	defer in.last()
	plain, err := decompress(ctx, in)
	if err != nil {
		return errors.Join(err, raw.Close())
	}
	var stream io.Reader = plain
	if hash != nil {
		stream = io.TeeReader(plain, hash)
	}
	err = s.unpack(ctx, stream, dest, as)
	if err == nil {
		_, err = io.Copy(io.Discard, stream) // what follows the end of the archive is part of the file nonetheless
	}
	return blame(ctx, err, plain.Close(), raw.Close())
}

// blame picks the error that explains the others: a pipeline that breaks has one cause and many who complain.
func blame(ctx context.Context, unpacking error, reading ...error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(unpacking, ErrPoolFull) {
		return unpacking
	}
	return cmp.Or(append(reading, unpacking)...)
}

// counter tells how much has been read.
type counter struct {
	r      io.Reader
	total  int64
	report Progress
	done   int64
	told   time.Time
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.done += int64(n)
	if now := time.Now(); c.report != nil && now.Sub(c.told) > time.Second/5 {
		c.told = now
		c.report(c.done, c.total)
	}
	return n, err
}

func (c *counter) last() {
	if c.report != nil {
		c.report(c.done, max(c.total, c.done))
	}
}
