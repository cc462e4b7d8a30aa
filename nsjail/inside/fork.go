package inside

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A session starts in a millisecond or two because nothing is loaded for it. When session init starts it forks a zygote: a copy of
// itself that is not a working Go program any more (one thread, no scheduler, no memory to be had) and only carries out lists of
// system calls that session init writes to shared memory. What runs here is what package syscall runs between fork and exec, with
// the same hooks of the runtime. Forking the zygote costs little, because it is small and stands still; session init itself, busy on
// several threads, would pay for every page that it touches afterwards.

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

// script is what a session's two processes do. It lies in an arena, and so do its lists, but for those that were there before
// the zygote was.
type script struct {
	clone  cloneArgs
	before [2][]call // what the session's pid 1 does before it starts the command
	inner  [3][]call // what the command's process does; the last call is execve
	after  [1][]call // what pid 1 does once it has started the command
	// report is a socket on which a call that goes wrong is told: its list and place, and the error number it got.
	report uintptr
	// status is a pipe for the command's wait status, as after leaves it.
	status uintptr
}

// failure is the report of a call that went wrong. The command's process also sends one, of list listStarted, when all that is
// left is execve.
type failure struct {
	List, Index, Errno uint32
}

const (
	listBefore  = 0 // and 1
	listInner   = 2 // to 4
	listAfter   = 5
	lists       = 6
	listStarted = 100
)

// orders is what the zygote receives into: the address of a script, and descriptors.
type orders struct {
	header  unix.Msghdr
	vector  unix.Iovec
	script  uintptr
	control [512]byte
}

// born is the zygote's answer.
type born struct{ PID, Errno int32 }

// Descriptors of the zygote. What comes with a script is numbered from zygoteFiles on.
const (
	zygoteOrders = 3
	zygoteScope  = 4
	zygoteFiles  = 5
)

// forkZygote starts the zygote. The list is what it does first.
func forkZygote(first []call, o *orders) (pid int, errno unix.Errno) {
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	return forkZygoteLocked(first, o)
}

// forkZygoteLocked must not grow its stack or allocate between the hooks, nor must what it calls: hence nosplit.
//
//go:noinline
//go:norace
//go:nocheckptr
func forkZygoteLocked(first []call, o *orders) (pid int, errno unix.Errno) {
	beforeFork()
	r, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || r != 0 {
		afterFork()
		return int(r), errno
	}
	afterForkInChild()
	zygote(first, o)
	return 0, 0 // not reached
}

// zygote makes sessions until nobody asks for more.
//
//go:nosplit
//go:norace
//go:nocheckptr
func zygote(first []call, o *orders) {
	carryOut(first, 0, 0, false)
	for {
		o.header.Controllen = uint64(len(o.control))
		n, _, errno := syscall.RawSyscall(unix.SYS_RECVMSG, zygoteOrders, uintptr(unsafe.Pointer(&o.header)), unix.MSG_CMSG_CLOEXEC)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || n != unsafe.Sizeof(o.script) {
			exit()
		}
		s := *(**script)(unsafe.Pointer(&o.script))
		pid, _, errno := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&s.clone)), unsafe.Sizeof(s.clone), 0)
		if errno == 0 && pid == 0 {
			s.pid1()
		}
		answer := born{int32(pid), int32(errno)}
		syscall.RawSyscall(unix.SYS_WRITE, zygoteOrders, uintptr(unsafe.Pointer(&answer)), unsafe.Sizeof(answer))
		syscall.RawSyscall(unix.SYS_CLOSE_RANGE, zygoteFiles, minusOne, 0)
	}
}

// pid1 is the session's pid 1. It starts the command, and then waits for everything that ends, and never goes by itself.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (s *script) pid1() {
	carryOut(s.before[0], s.report, listBefore, false)
	carryOut(s.before[1], s.report, listBefore+1, false)
	command, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && command == 0 {
		carryOut(s.inner[0], s.report, listInner, false)
		carryOut(s.inner[1], s.report, listInner+1, false)
		carryOut(s.inner[2], s.report, listInner+2, true)
	}
	// With the last of these calls the script's memory is used for another session.
	out := s.status
	carryOut(s.after[0], s.report, listAfter, false)
	var status uint32
	for {
		pid, _, errno := syscall.RawSyscall6(unix.SYS_WAIT4, minusOne, uintptr(unsafe.Pointer(&status)), 0, 0, 0, 0)
		if errno == unix.ECHILD {
			syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0) // whoever looks after the session kills us
		}
		if errno == 0 && pid == command {
			syscall.RawSyscall(unix.SYS_WRITE, out, uintptr(unsafe.Pointer(&status)), 4)
		}
	}
}

const minusOne = ^uintptr(0)

// carryOut makes the calls of a list. The first that does not end as it should is reported, and is the end of the process. Before
// the last call of the last list, execve, it reports that all is well so far.
//
//go:nosplit
//go:norace
//go:nocheckptr
func carryOut(calls []call, report uintptr, list uint32, last bool) {
	var f failure
	for i := range calls {
		if last && i == len(calls)-1 {
			f = failure{List: listStarted}
			syscall.RawSyscall(unix.SYS_WRITE, report, uintptr(unsafe.Pointer(&f)), unsafe.Sizeof(f))
		}
		c := calls[i]
		_, _, errno := syscall.RawSyscall6(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		if errno != c.want && c.want != wantAnything && (c.want != wantFailure || errno == 0) {
			f = failure{list, uint32(i), uint32(errno)}
			syscall.RawSyscall(unix.SYS_WRITE, report, uintptr(unsafe.Pointer(&f)), unsafe.Sizeof(f))
			exit()
		}
	}
}

//go:nosplit
//go:norace
func exit() {
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}
