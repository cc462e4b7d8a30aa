package fork

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Source is what a repository starts with: a directory of the host, a tar archive (plain, gzip, xz or zstd), or, as the zero
// Source, nothing.
type Source struct {
	Dir        string
	Tar        *os.File // a file, pipe or socket; read to its end, not closed
	KeepOwners bool     // keep uids and gids 0..65535 instead of giving everything to 7111
}

// Progress hears how many bytes have been read, and of how many: -1 where nobody knows. It is called a few times per second,
// and once at the end.
type Progress func(done, total int64)

// copyIn unpacks a source into the directory at dest, which is ours and empty.
func (s *Store) copyIn(ctx context.Context, source Source, dest string, progress Progress) error {
	if source.Dir == "" && source.Tar == nil {
		return nil
	}
	as := asSession
	if source.KeepOwners {
		as = asRoot
	}
	if source.Tar != nil {
		return s.unpackFile(ctx, source.Tar, dest, as, nil, progress)
	}
	pack, err := startPack(ctx, source.Dir)
	if err != nil {
		return err
	}
	in := &counter{r: pack, total: -1, report: progress}
	defer in.last()
	return errors.Join(s.unpack(ctx, in, dest, as), pack.Close())
}

// unpackFile unpacks an archive that may be compressed. hash, if not nil, gets all that it holds, uncompressed.
func (s *Store) unpackFile(ctx context.Context, tar *os.File, dest string, as identity, hash io.Writer, progress Progress) error {
	in := &counter{r: tar, total: -1, report: progress}
	if info, err := tar.Stat(); err == nil && info.Mode().IsRegular() {
		in.total = info.Size()
	}
	defer in.last()
	plain, err := decompress(ctx, in)
	if err != nil {
		return err
	}
	var stream io.Reader = plain
	if hash != nil {
		stream = io.TeeReader(plain, hash)
	}
	err = s.unpack(ctx, stream, dest, as)
	if err == nil {
		_, err = io.Copy(io.Discard, stream) // what follows the end of the archive is part of the file nonetheless
	}
	return errors.Join(err, plain.Close())
}

// startPack reads a directory as a tar archive. A file that changes meanwhile is taken as it was read.
func startPack(ctx context.Context, dir string) (io.ReadCloser, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%w: %s is no directory", ErrSource, dir)
	}
	return startFilter(ctx, nil, 1, "tar", "-c", "-C", dir, "--numeric-owner", "--xattrs", "--acls", "--sparse", ".")
}

var compressions = []struct{ magic, program string }{
	{"\x1f\x8b", "gzip"},
	{"\xfd7zXZ\x00", "xz"},
	{"\x28\xb5\x2f\xfd", "zstd"},
}

func decompress(ctx context.Context, r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 1<<18)
	head, err := in.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, c := range compressions {
		if bytes.HasPrefix(head, []byte(c.magic)) {
			return startFilter(ctx, in, 0, c.program, "-dc")
		}
	}
	return io.NopCloser(in), nil
}

// filter is a program whose output is read. Close waits for it and says whether it did what it should.
type filter struct {
	io.ReadCloser
	cmd    *exec.Cmd
	stderr *tail
	ok     int // highest exit code that is not a failure
}

func startFilter(ctx context.Context, in io.Reader, ok int, name string, args ...string) (io.ReadCloser, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	f := &filter{cmd: cmd, stderr: &tail{}, ok: ok}
	cmd.Stdin, cmd.Stderr, cmd.Env, cmd.WaitDelay = in, f.stderr, plainEnv(), time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f.ReadCloser = out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	return f, nil
}

func (f *filter) Close() error {
	_ = f.ReadCloser.Close() // if it was not read to its end, the program gets SIGPIPE
	err := f.cmd.Wait()
	if err == nil || f.cmd.ProcessState.Exited() && f.cmd.ProcessState.ExitCode() <= f.ok {
		return nil
	}
	return fmt.Errorf("%w: %s: %w: %s", ErrSource, f.cmd.Args[0], err, f.stderr)
}

// plainEnv keeps variables such as TAR_OPTIONS away from programs that run as root.
func plainEnv() []string {
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
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
		c.report(c.done, c.total)
	}
}

// tail keeps the end of what a program complains about.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	const most = 2048
	if t.b = append(t.b, p...); len(t.b) > most {
		t.b = t.b[len(t.b)-most:]
	}
	return len(p), nil
}

// String is the first complaint left, on one line: the rest are mostly its consequences.
func (t *tail) String() string {
	first, _, _ := strings.Cut(strings.TrimSpace(string(t.b)), "\n")
	return first
}
