package bare_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/bare"
)

// start runs a program in a process of its own, which is waited for when the test ends.
func start(t *testing.T, write func(p *bare.Program, report uintptr)) *bare.Process {
	t.Helper()
	memory, err := bare.NewArena(1 << 16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = memory.Close() })
	p, err := bare.Start(bare.CloneArgs{}, memory, write)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.End)
	return p
}

func code(t *testing.T, p *bare.Process) int {
	t.Helper()
	end, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return end.ExitCode()
}

func TestProgramIsCarriedOut(t *testing.T) {
	dir := t.TempDir()
	p := start(t, func(p *bare.Program, report uintptr) {
		p.Do("make a directory", unix.SYS_MKDIRAT, bare.AtFDCWD, p.Text(dir+"/made"), 0o700)
		p.Report("say so", report)
		p.Do("make another", unix.SYS_MKDIRAT, bare.AtFDCWD, p.Text(dir+"/after"), 0o700)
	})
	if err := p.Next(); err != nil {
		t.Error(err)
	}
	if err := p.Finish(); err != nil {
		t.Error(err)
	}
	if got := code(t, p); got != 0 {
		t.Errorf("exit code %d", got)
	}
	for _, name := range []string{"made", "after"} {
		if _, err := os.Stat(dir + "/" + name); err != nil {
			t.Error(err)
		}
	}
}

// Nothing is done after a call that went wrong, and the parent hears which it was.
func TestFirstFailureIsTheEnd(t *testing.T) {
	dir := t.TempDir()
	for what, add := range map[string]func(p *bare.Program){
		"make it again: file exists":    func(p *bare.Program) { p.Do("make it again", unix.SYS_MKDIRAT, bare.AtFDCWD, p.Text(dir), 0o700) },
		"must not: errno 0":             func(p *bare.Program) { p.MustFail(unix.EPERM, "must not", unix.SYS_GETPID) },
		"must not: bad file descriptor": func(p *bare.Program) { p.MustFail(unix.EPERM, "must not", unix.SYS_CLOSE, bare.MinusOne) },
		"by any means: errno 0":         func(p *bare.Program) { p.MustFail(bare.WantFailure, "by any means", unix.SYS_GETPID) },
	} {
		p := start(t, func(p *bare.Program, _ uintptr) {
			p.Expect(bare.WantAnything, "what may fail", unix.SYS_CLOSE, bare.MinusOne)
			p.MustFail(bare.WantFailure, "what fails as it must", unix.SYS_CLOSE, bare.MinusOne)
			add(p)
			p.Do("go on", unix.SYS_MKDIRAT, bare.AtFDCWD, p.Text(dir+"/after"), 0o700)
		})
		if err := p.Finish(); err == nil || err.Error() != "cannot "+what {
			t.Errorf("%v, not %s", err, what)
		}
		if got := code(t, p); got != 1 {
			t.Errorf("%s: exit code %d", what, got)
		}
		if _, err := os.Stat(dir + "/after"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: it went on: %v", what, err)
		}
	}
}

// A process that waits for a word goes on with it, and ends where the other side goes without one.
func TestWaitEndsWithTheOtherSide(t *testing.T) {
	for _, word := range []bool{true, false} {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
		p := start(t, func(p *bare.Program, report uintptr) {
			p.Do("let go of ours", unix.SYS_CLOSE, ours.Fd())
			p.Report("be about to wait", report)
			p.Read("get the word", theirs.Fd())
			p.Report("go on", report)
		})
		if err := p.Next(); err != nil {
			t.Fatal(err)
		}
		if word {
			_, err = ours.Write([]byte{0})
		}
		if err := errors.Join(err, ours.Close(), theirs.Close()); err != nil {
			t.Fatal(err)
		}
		err = p.Next()
		if word && err != nil {
			t.Errorf("with the word: %v", err)
		}
		if !word && (err == nil || err == io.EOF || !strings.HasPrefix(err.Error(), "cannot get the word: ")) {
			t.Errorf("without a word it went on: %v", err)
		}
	}
}

// A process that gets nowhere holds nobody up for ever.
func TestWaitIsBounded(t *testing.T) {
	p := start(t, func(p *bare.Program, _ uintptr) { p.Do("wait", unix.SYS_PPOLL, 0, 0, 0, 0) })
	if err := errors.Join(p.SetDeadline(time.Now()), p.Next()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// A process that waits for the end of who started it has nothing of its files, and does not outlive it: who is killed lets go of all that it has,
// and that is what is done here. Control: one that only waits lives on.
func TestNobodyIsLeftBehind(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	waits := start(t, func(p *bare.Program, report uintptr) { p.Await("wait", report) })
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a file of the starter's is still held: %d, %v", n, err)
	}
	if err := waits.Close(); err != nil {
		t.Fatal(err)
	}
	if got := code(t, waits); got != 0 {
		t.Errorf("exit code %d", got)
	}
	lives := start(t, func(p *bare.Program, _ uintptr) { p.Do("wait", unix.SYS_PPOLL, 0, 0, 0, 0) })
	if err := lives.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if is := state(t, lives.Pid); is != "S" {
		t.Errorf("the control does not wait: %s", is)
	}
}

// state is what the kernel says a process does (proc_pid_stat(5)).
func state(t *testing.T, pid int) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[0]
}

func TestExecuted(t *testing.T) {
	p := start(t, func(p *bare.Program, _ uintptr) {
		p.Do("execute", unix.SYS_EXECVE, p.Text("/bin/sh"), p.Texts([]string{"sh", "-c", "exit 7"}), p.Texts(nil))
	})
	if err := p.Finish(); err != nil {
		t.Error(err)
	}
	if got := code(t, p); got != 7 {
		t.Errorf("exit code %d", got)
	}
}

// What does not fit is not carried out in part.
func TestArenaIsFull(t *testing.T) {
	memory, err := bare.NewArena(os.Getpagesize())
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	dir := t.TempDir()
	_, err = bare.Start(bare.CloneArgs{}, memory, func(p *bare.Program, _ uintptr) {
		p.Do("make a directory", unix.SYS_MKDIRAT, bare.AtFDCWD, p.Text(dir+"/made"), 0o700)
		p.Text(strings.Repeat("x", os.Getpagesize()))
	})
	if !errors.Is(err, bare.ErrFull) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// A process that waits holds nothing that others wait for the end of.
func TestCloseOthers(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	p := start(t, func(p *bare.Program, report uintptr) {
		p.CloseOthers("close all else", 0, theirs.Fd(), report)
		p.Report("be about to wait", report)
		p.Read("get the word", theirs.Fd())
		p.Report("go on", report)
	})
	if err := p.Next(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), r.SetReadDeadline(time.Now().Add(10*time.Second))); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a pipe whose other end it was born with: %v", err)
	}
	if _, err = ours.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	if err := p.Next(); err != nil {
		t.Errorf("what was kept: %v", err)
	}
	_ = errors.Join(ours.Close(), theirs.Close())
	if got := code(t, p); got != 0 {
		t.Errorf("exit code %d", got)
	}
}
