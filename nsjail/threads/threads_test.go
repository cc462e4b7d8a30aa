package threads_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/threads"
)

// nobody is a user who has less than this test does: limits of processes are not root's.
const nobody = 61234

// TestReserve has as many system calls wait at once as it says, in a program that gets no thread any more. The control reserves none, and is ended
// by Go's runtime.
func TestReserve(t *testing.T) {
	if what := os.Getenv("THREADS_TEST"); what != "" {
		wait(t, what == "reserved")
		return
	}
	for _, c := range []struct{ what, says string }{
		{"reserved", "all waited at once"},
		{"none", "(?:runtime: failed to create new OS thread|runtime/cgo: pthread_create failed)"},
	} {
		said, err := again(t, c.what)
		if !regexp.MustCompile(c.says).MatchString(said) || (err == nil) != (c.what == "reserved") {
			t.Errorf("%s: %v\n%.2000s", c.what, err, said)
		}
	}
}

// again runs this test in a process of its own, as nobody where it may.
func again(t *testing.T, what string) (said string, err error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^TestReserve$", "-test.v")
	c.Env, c.Dir = append(os.Environ(), "THREADS_TEST="+what), "/"
	if os.Geteuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := c.CombinedOutput()
	return string(out), err
}

// wait has system calls wait, each on its thread, once no thread can be made.
func wait(t *testing.T, reserve bool) {
	if reserve {
		threads.Reserve()
	}
	none := unix.Rlimit{Cur: 1, Max: 1} // setrlimit(2): RLIMIT_NPROC, of the user's threads; this process has more of them
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &none); err != nil {
		t.Fatal(err)
	}
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range threads.Spare {
		all.Go(func() {
			var b [1]byte
			if n, err := unix.Read(pipe[0], b[:]); n != 1 || err != nil { // the pipe is no poller's: this is the thread's own
				t.Error(n, err)
			}
		})
	}
	for reading(t, pipe[0]) < threads.Spare { // for which there has to be a thread beside them
		runtime.Gosched()
	}
	if n, err := unix.Write(pipe[1], make([]byte, threads.Spare)); n != threads.Spare || err != nil {
		t.Error(n, err)
	}
	all.Wait()
	t.Log("all waited at once")
}

// reading counts the threads that are reading a descriptor (proc_pid_syscall(5): the system call, and its first argument).
func reading(t *testing.T, fd int) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/task/*/syscall")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		call, err := os.ReadFile(path)
		if err == nil && strings.HasPrefix(string(call), fmt.Sprintf("%d %#x ", unix.SYS_READ, fd)) {
			n++
		}
	}
	return n
}
