package fork

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

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
	if program := compressedBy(head); program != "" {
		return startFilter(ctx, in, 0, program, "-dc")
	}
	return io.NopCloser(in), nil
}

// compressedBy is the program that unpacks what begins so; empty: it is not compressed.
func compressedBy(head []byte) string {
	for _, c := range compressions {
		if bytes.HasPrefix(head, []byte(c.magic)) {
			return c.program
		}
	}
	return ""
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
	end := f.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if err == nil || end.Exited() && end.ExitStatus() <= f.ok || end.Signal() == syscall.SIGPIPE {
		return nil
	}
	return fmt.Errorf("%w: %s: %w: %s", ErrSource, f.cmd.Args[0], err, f.stderr)
}

// plainEnv keeps variables such as TAR_OPTIONS away from programs that run as root.
func plainEnv() []string {
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
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
