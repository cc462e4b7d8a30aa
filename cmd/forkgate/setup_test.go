package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A file that is given for a disk is told as that where setup asks, and stays what it was; a size is one that a pool can have.
func TestPoolsAnswers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db.dat")
	if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (hostPools{}).Device(t.Context(), file); err == nil || !strings.Contains(err.Error(), file+" is no block device") {
		t.Errorf("a file for a disk: %v", err)
	}
	if text, err := os.ReadFile(file); string(text) != "data" {
		t.Errorf("it holds %q, %v", text, err)
	}
	for size, ok := range map[string]bool{"20G": true, "1M": false, "20": false, "much": false} {
		if err := (hostPools{}).Size(size); (err == nil) != ok {
			t.Errorf("%s: %v", size, err)
		}
	}
}

// sits is a terminal at which something was typed; nobody types any more where it has ended.
func sits(t *testing.T, typed string, ended bool) (*terminal, *strings.Builder) {
	t.Helper()
	in, keys, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); keys.Close() })
	if _, err := keys.WriteString(typed); err != nil {
		t.Fatal(err)
	}
	if ended {
		keys.Close()
	}
	var out strings.Builder
	return &terminal{in: in, out: &out}, &out
}

// What is proposed is for who says nothing; what is no answer is asked for again; and the end of what is typed is no answer.
func TestTerminal(t *testing.T) {
	for typed, want := range map[string]string{"\n": "20G", "  1T \n": "1T", "2T\n3T\n": "2T"} {
		asks, out := sits(t, typed, false)
		if got, err := asks.Ask(t.Context(), "how large", "20G"); got != want || err != nil || out.String() != "how large [20G]: " {
			t.Errorf("%q typed: %q, %v; it asks %q", typed, got, err, out)
		}
	}
	asks, _ := sits(t, "1T", true)
	if got, err := asks.Ask(t.Context(), "how large", "20G"); got != "" || !errors.Is(err, errEnded) {
		t.Errorf("a line without an end: %q, %v", got, err)
	}
	for typed, want := range map[string]bool{"\n": false, "yep\nyes\n": true, "maybe\n\n": false, "no\n": false, "y\n": true, "YES\n": true, "Y\n": true, "n\nyes\n": false, "No\n": false} {
		asks, out := sits(t, typed, false)
		if got, err := asks.Confirm(t.Context(), "is it certain?", false); got != want || err != nil {
			t.Errorf("%q is %v, %v", typed, got, err)
		}
		if !strings.HasPrefix(out.String(), "is it certain? (yes or no) [no]: ") || strings.HasPrefix(typed, "maybe") != strings.Contains(out.String(), "\"maybe\" is neither yes nor no\n") {
			t.Errorf("%q: it asks %q", typed, out)
		}
	}
	asks, out := sits(t, "", true)
	if err := asks.Wrong(errors.New("/dev/x\x1b is no block device")); err != nil || out.String() != "/dev/x\\x1b is no block device\n" {
		t.Errorf("an answer that will not do: %v, %q", err, out)
	}
	asks, _ = sits(t, "maybe\n", true)
	if got, err := asks.Confirm(t.Context(), "is it certain?", true); got || !errors.Is(err, errEnded) {
		t.Errorf("what is no answer, and then nothing: %v, %v", got, err)
	}
}

// Who interrupts is not asked any more, with half a line typed as well; what is said of it stands on a line of its own.
func TestAnInterruptedQuestion(t *testing.T) {
	for _, typed := range []string{"", "20"} {
		asks, out := sits(t, typed, false)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		got, err := asks.Ask(ctx, "how large", "20G")
		cancel()
		if got != "" || !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(out.String(), ": \n") {
			t.Errorf("%q typed: %q, %v, %q", typed, got, err, out)
		}
	}
}

// What is not to be interrupted has a session of its own, which no terminal's ^C reaches; other commands have this one's, and hear it.
func TestWhoHearsTheTerminal(t *testing.T) {
	const session = `set -- $(cat /proc/$$/stat); [ "$6" = $$ ]` // proc_pid_stat(5)
	h, err := thisHost(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Run(context.WithoutCancel(t.Context()), "sh", "-c", session); err != nil {
		t.Errorf("what takes something back is in the terminal's session: %v", err)
	}
	if err := h.Run(t.Context(), "sh", "-c", session); err == nil {
		t.Error("control: a step is in a session of its own")
	}
}

// A terminal that goes away interrupts, but where nohup(1) has said that it does not.
func TestUntilHangup(t *testing.T) {
	hangs := func() context.Context {
		ctx, stop := untilHangup(t.Context())
		t.Cleanup(stop)
		if err := unix.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		return ctx
	}
	select {
	case <-hangs().Done():
	case <-time.After(10 * time.Second):
		t.Error("the terminal has gone, and nobody heard")
	}
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	select {
	case <-hangs().Done():
		t.Error("nohup is not heeded")
	case <-time.After(200 * time.Millisecond):
	}
}
