package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The far end reads to the end before it answers: with a half-close that closes both ways, or none, it could not.
func TestJoinPassesOnEachEndByItself(t *testing.T) {
	sent := make([]byte, 1<<20)
	_, _ = rand.Read(sent)
	socket := answering(t, filepath.Join(t.TempDir(), "gate.sock"), func(c *net.UnixConn) {
		got, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		_, _ = c.Write(got)
	})
	if got := joined(t, socket, sent); !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back of %d", len(got), len(sent))
	}
}

func TestJoinEndsTheOutputFirst(t *testing.T) {
	rest := make(chan string)
	socket := answering(t, filepath.Join(t.TempDir(), "gate.sock"), func(c *net.UnixConn) {
		_, _ = c.Write([]byte("bye"))
		_ = c.CloseWrite()
		got, _ := io.ReadAll(c)
		rest <- string(got)
	})
	conn, err := dialUnix(socket)
	if err != nil {
		t.Fatal(err)
	}
	in, input := pipe(t)
	output, out := pipe(t)
	ended := make(chan error)
	go func() { ended <- join(t.Context(), conn, in, out) }()
	if got, err := io.ReadAll(output); string(got) != "bye" || err != nil {
		t.Errorf("the output has %q, %v", got, err)
	}
	_, _ = io.WriteString(input, "still here")
	_ = input.Close()
	if got := <-rest; got != "still here" {
		t.Errorf("after its end the far end read %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// With ssh's ProxyUseFdpass=no it is pipes; with inetd and socat input and output are one socket.
func TestJoinWithInputAndOutputInOneSocket(t *testing.T) {
	socket := answering(t, filepath.Join(t.TempDir(), "gate.sock"), func(c *net.UnixConn) { _, _ = c.Write([]byte("bye")) })
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	second, err := unix.FcntlInt(uintptr(fds[1]), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	mine, in, out := os.NewFile(uintptr(fds[0]), "mine"), os.NewFile(uintptr(fds[1]), "in"), os.NewFile(uintptr(second), "out")
	defer mine.Close()
	defer in.Close()
	conn, err := dialUnix(socket)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- join(t.Context(), conn, in, out) }()
	if got, err := io.ReadAll(mine); string(got) != "bye" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if err := unix.Shutdown(fds[0], unix.SHUT_WR); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestJoinEndsWithItsContext(t *testing.T) {
	socket := answering(t, filepath.Join(t.TempDir(), "gate.sock"), func(c *net.UnixConn) { _, _ = io.ReadAll(c) })
	conn, err := dialUnix(socket)
	if err != nil {
		t.Fatal(err)
	}
	in, _ := pipe(t)
	_, out := pipe(t)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if err := join(ctx, conn, in, out); !errors.Is(err, stop) {
		t.Errorf("it ended with %v", err)
	}
	conn.Close()
}

func TestDialUnixTakesPathsOfAnyLength(t *testing.T) {
	deep := filepath.Join(t.TempDir(), strings.Repeat("deep", 30))
	if err := os.Mkdir(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	answering(t, "gate.sock", func(c *net.UnixConn) { _, _ = io.Copy(c, c) })
	long := filepath.Join(deep, "gate.sock")
	if _, err := net.Dial("unix", long); err == nil {
		t.Fatal("the path is short enough for an address")
	}
	if got := joined(t, long, []byte("hello")); string(got) != "hello" {
		t.Errorf("%q came back", got)
	}
}

func TestConnectSaysWhereNobodyListens(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "gate.sock")
	root := commands()
	root.SetArgs([]string{"connect", nowhere})
	err := root.ExecuteContext(t.Context())
	if err == nil || !strings.Contains(err.Error(), nowhere) || !strings.Contains(err.Error(), "is the gate there up?") {
		t.Errorf("the error is %v", err)
	}
}

// answering listens at path, and serves one connection.
func answering(t *testing.T, path string, serve func(*net.UnixConn)) string {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.AcceptUnix(); err == nil {
			defer c.Close()
			serve(c)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return path
}

// joined sends all of input through a join, and returns what comes out of it.
func joined(t *testing.T, socket string, sent []byte) []byte {
	t.Helper()
	conn, err := dialUnix(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in, input := pipe(t)
	output, out := pipe(t)
	go func() {
		_, _ = input.Write(sent)
		_ = input.Close()
	}()
	ended := make(chan error)
	go func() { ended <- join(t.Context(), conn, in, out) }()
	got, err := io.ReadAll(output)
	if err := errors.Join(err, <-ended); err != nil {
		t.Error(err)
	}
	return got
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}
