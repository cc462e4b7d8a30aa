package inside

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A session starts in about a millisecond because nothing is loaded for it: session init forks, and the child, which is not a
// working Go program any more (one thread, no scheduler, no memory to be had), carries out lists of system calls. It is what
// package syscall does between fork and exec, and uses the same hooks of the runtime.

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// cloneArgs is struct clone_args (clone3(2)).
type cloneArgs struct {
	flags, pidFD, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// script is what a session's two processes do.
type script struct {
	clone  cloneArgs
	before []call // what the session's pid 1 does before it starts the command
	after  []call // and what it does then
	inner  []call // what the command's process does; the last call is execve
	// report is a socket on which a call that goes wrong is told: its list and place, and the error number it got.
	report uintptr
	// status is a pipe for the command's wait status, as after leaves it.
	status uintptr
}

// failure is the report of a call that went wrong. The inner process also sends one, of list listStarted, when all that is left
// is execve.
type failure struct {
	List, Index, Errno uint32
}

const (
	listBefore = iota + 1
	listInner
	listAfter
	listStarted
)

// fork starts a session's processes and returns the pid of its pid 1.
//
//go:noinline
//go:norace
func (s *script) fork() (pid int, errno unix.Errno) {
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	return s.forkLocked()
}

// forkLocked must not grow its stack or allocate between the hooks, nor must what it calls: hence nosplit.
//
//go:noinline
//go:norace
//go:nocheckptr
func (s *script) forkLocked() (pid int, errno unix.Errno) {
	beforeFork()
	r, _, errno := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&s.clone)), unsafe.Sizeof(s.clone), 0)
	if errno != 0 || r != 0 {
		afterFork()
		runtime.KeepAlive(s)
		return int(r), errno
	}
	afterForkInChild()
	s.outer()
	for { // not reached
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}

// outer is the session's pid 1. It starts the command, and then waits for everything that ends, and never goes by itself.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (s *script) outer() {
	s.run(s.before, listBefore)
	command, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && command == 0 {
		s.run(s.inner, listInner)
	}
	s.run(s.after, listAfter)
	var status uint32
	for {
		pid, _, errno := syscall.RawSyscall6(unix.SYS_WAIT4, minusOne, uintptr(unsafe.Pointer(&status)), 0, 0, 0, 0)
		if errno == unix.ECHILD {
			syscall.RawSyscall(unix.SYS_PAUSE, 0, 0, 0) // whoever looks after the session kills us
		}
		if errno == 0 && pid == command {
			syscall.RawSyscall(unix.SYS_WRITE, s.status, uintptr(unsafe.Pointer(&status)), 4)
		}
	}
}

const minusOne = ^uintptr(0)

// run carries a list out. The first call that does not end as it should is reported, and is the end of the process. Before the last
// call of the inner process, execve, it reports that all is well so far.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (s *script) run(calls []call, list uint32) {
	var f failure
	for i := range calls {
		if list == listInner && i == len(calls)-1 {
			f = failure{List: listStarted}
			syscall.RawSyscall(unix.SYS_WRITE, s.report, uintptr(unsafe.Pointer(&f)), unsafe.Sizeof(f))
		}
		c := &calls[i]
		_, _, errno := syscall.RawSyscall6(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		if errno != c.want && c.want != wantAnything && (c.want != wantFailure || errno == 0) {
			f = failure{list, uint32(i), uint32(errno)}
			syscall.RawSyscall(unix.SYS_WRITE, s.report, uintptr(unsafe.Pointer(&f)), unsafe.Sizeof(f))
			for {
				syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
			}
		}
	}
}
